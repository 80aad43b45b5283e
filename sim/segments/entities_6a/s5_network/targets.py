"""How many addresses of each kind every country has, and how many links of parties' devices go to them.

Homes and premises say how many links and addresses they have; the mixes of the prior size the other kinds
from the homes, by region:

    links(kind)     = links of homes x edge share(kind) / edge share(home)      less what premises have
    addresses(kind) = addresses of homes x node share(kind) / node share(home)  less premises

and countries share them by the demand of their devices (sum of devices x affinity), as far as devices may
have so many links. What caps and guests need on top is known when it is known who is abroad (`inward.py`).
Merchants' sites and hosted merchants come on top of both mixes: they follow from the merchants, not from the
parties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_of_row, run_offsets
from sim.segments.entities_6a.network_tables import integers, matrix
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

_MIDDLE = np.uint64(1 << 63)
_AFFINITY_UNITS = 1000
# A kind may miss its target by this much before it is called infeasible: regions of a handful of parties
# cannot hold every kind.
_SHORT_PERMILLE, _SHORT_LINKS = 20, 100

IP_TARGETS_NEEDS = Needs(
    reads={"s4_device_summary_6A": ROW_LEVEL, "s4_place_summary_6A": ROW_LEVEL},
    config=("ip_prior_6A",),
    kernels=("capped_share",),
)


@dataclass(frozen=True)
class IpTargets:
    """Figures by country code (row) and kind of address (column), int64.

    Attributes:
        offices: Addresses of premises (column CORPORATE only).
        shared: Addresses without an owner.
        sites: Addresses of merchants' sites (column CORPORATE only).
        homes: Addresses of homes (column RESIDENTIAL only).
        links: Links of parties' devices besides their own home or premises.
        pools: Groups that the addresses open to those links are dealt into; a device has at most one link to
            each, so there are enough for what a device has on average, rounded up.
    """

    homes: Array
    offices: Array
    shared: Array
    sites: Array
    links: Array
    pools: Array

    @property
    def addresses(self) -> Array:
        """All addresses."""
        return self.homes + self.offices + self.shared + self.sites


def ip_targets(ctx: Context) -> IpTargets:
    """The targets of the world.

    Args:
        ctx: Context that reads `s4_place_summary_6A`, `s4_device_summary_6A`, with `ip_prior_6A` and kernel
            `capped_share`.

    Raises:
        ValidationError: `6A.S5.CAPS_INFEASIBLE`.
    """
    prior, places = ctx.params.ip_prior_6A, ctx.load("s4_place_summary_6A")
    kinds, rows = len(ctx.vocabulary("ip_type")), len(places)
    home, office = ctx.code("ip_type", "RESIDENTIAL"), ctx.code("ip_type", "CORPORATE")
    devices, private = _devices(ctx, places)
    affinity = np.floor(matrix(ctx, "device_type", "ip_type", prior.affinity) * _AFFINITY_UNITS + 0.5).astype(
        np.int64
    )
    demand = _product(devices, affinity)
    eligible = _product(devices, affinity > 0)
    # An organisation's devices are at work on its own premises.
    demand[:, office] = _product(private, affinity)[:, office]
    eligible[:, office] = _product(private, affinity > 0)[:, office]
    offices = np.zeros((rows, kinds), dtype=np.int64)
    offices[:, office] = places.office_ips
    links, nodes = _region_totals(ctx, places, home, office)
    # Countries of a region are adjacent, one group a region and kind.
    order = np.argsort(places.region_id, kind="stable")
    offsets = run_offsets(places.region_id[order])
    group = run_of_row(offsets)
    region = places.region_id[order][offsets[:-1].astype(np.int64)] if rows else np.zeros(0, dtype=np.int16)
    most = integers(ctx, "ip_type", prior.ips_per_device)
    shared, made, pools = (np.zeros((rows, kinds), dtype=np.int64) for _ in range(3))
    for kind in range(kinds):
        if kind == home:
            continue
        wish = demand[order, kind]
        asked = np.where(_sums(wish, group, len(region)) > 0, nodes[region, kind], 0)
        free = _share(ctx, wish, np.full(rows, np.iinfo(np.int32).max), asked, offsets)
        free = np.where((wish > 0) & (offices[order, kind] == 0), np.maximum(free, 1), free)
        able = np.where(wish > 0, eligible[order, kind], 0)
        capacity = np.minimum(able * most[kind], np.iinfo(np.int32).max)
        target = np.where(_sums(wish, group, len(region)) > 0, links[region, kind], 0)
        possible = np.minimum(target, _sums(capacity, group, len(region)))
        _require_met(ctx, kind, int(target.sum()), int(possible.sum()))
        got = _share(ctx, wish, capacity, possible, offsets)
        # Nobody owns an address of a pool, so each needs a link.
        shared[order, kind], made[order, kind] = np.minimum(free, got), got
        pools[order, kind] = -(-got // np.maximum(able, 1))
    hosting = ctx.code("ip_type", "DATACENTRE")
    shared[:, hosting] = np.maximum(shared[:, hosting], (places.online_merchants > 0).astype(np.int64))
    return _by_country(ctx, places, offices, shared, made, pools)


def _product(devices: Array, figure: Array) -> Array:
    """Sum over types of devices x figure: int64, countries x kinds; integers, so exact in any order."""
    product: Array = (devices[:, :, None] * figure[None, :, :]).sum(axis=1, dtype=np.int64)
    return product


def _devices(ctx: Context, places: Frame) -> tuple[Array, Array]:
    """Devices by country of `places` and type, and those of RETAIL parties: int64 each."""
    summary = ctx.load("s4_device_summary_6A")
    tables = []
    for column in ("devices", "private"):
        table = np.zeros((len(ctx.vocabulary("country")), len(ctx.vocabulary("device_type"))), dtype=np.int64)
        table[summary.country_iso, summary.device_type] = summary[column]
        tables.append(table[places.country_iso])
    return tables[0], tables[1]


def _region_totals(ctx: Context, places: Frame, home: int, office: int) -> tuple[Array, Array]:
    """Links and addresses besides homes and premises by region code and kind: int64 each."""
    prior = ctx.params.ip_prior_6A
    regions = len(ctx.vocabulary("region"))
    edge = matrix(ctx, "region", "ip_type", prior.edge_permille).astype(np.int64)
    node = integers(ctx, "ip_type", prior.node_permille)
    sums = {name: _sums(places[name].astype(np.int64), places.region_id, regions) for name in _SUMMED}
    half = np.maximum(edge[:, home], 1)[:, None]
    links = (sums["home_links"][:, None] * edge + half // 2) // half
    nodes = (sums["home_ips"][:, None] * node[None, :] + node[home] // 2) // max(int(node[home]), 1)
    _require_mean(ctx, links, nodes, home)
    links[:, office] = np.maximum(links[:, office] - sums["office_links"], 0)
    nodes[:, office] = np.maximum(nodes[:, office] - sums["office_ips"], 0)
    return links, nodes


_SUMMED = ("home_links", "home_ips", "office_links", "office_ips")


def _sums(values: Array, group: Array, groups: int) -> Array:
    sums = np.zeros(groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums


def _share(ctx: Context, weight: Array, cap: Array, units: Array, offsets: Array) -> Array:
    """Units of each group shared by weight under caps: int64, n."""
    count: Array = ctx.kernels.capped_share(
        offset=offsets,
        weight=weight.astype(np.uint64),
        cap=cap.astype(np.uint32),
        units=units.astype(np.uint64),
        start=np.full(len(units), _MIDDLE),
    )
    return count.astype(np.int64)


def _require_met(ctx: Context, kind: int, target: int, possible: int) -> None:
    """Refuse links of a kind that devices may not have."""
    name = ctx.vocabulary("ip_type")[kind]
    if target - possible > max(_SHORT_LINKS, target * _SHORT_PERMILLE // 1000):
        refuse(
            ctx,
            "CAPS_INFEASIBLE",
            f"devices may not have the links to {name} addresses that the mixes ask for",
            found=f"room for {possible} links",
            expected=f"{target} links by ip_prior_6A.edge_permille",
            at=[f"ip_prior_6A.{key}.{name}" for key in ("ips_per_device", "edge_permille.*")],
            do=f"raise ip_prior_6A.ips_per_device.{name}, or lower edge_permille.*.{name}",
            error=ValidationError,
        )


def _require_mean(ctx: Context, links: Array, nodes: Array, home: int) -> None:
    """Refuse mixes whose mean address has more links than it may: int64 by region and kind each."""
    cap = integers(ctx, "ip_type", ctx.params.ip_prior_6A.devices_per_ip)
    for kind in range(links.shape[1]):
        # A whole address more a region: shares of few homes are rounded.
        over = np.flatnonzero(links[:, kind] > (nodes[:, kind] + 1) * cap[kind])
        if kind == home or len(over) == 0:
            continue
        name, first = ctx.vocabulary("ip_type")[kind], over[0]
        refuse(
            ctx,
            "CAPS_INFEASIBLE",
            f"links to {name} addresses do not fit under the caps",
            found=f"{int(links[first, kind])} links for {int(nodes[first, kind])} addresses",
            expected=f"at most {int(cap[kind])} an address by ip_prior_6A.devices_per_ip",
            at=[f"ip_prior_6A.{key}.{name}" for key in ("devices_per_ip", "node_permille")],
            do=f"raise ip_prior_6A.devices_per_ip.{name} or node_permille.{name}",
            error=ValidationError,
        )


def _by_country(
    ctx: Context, places: Frame, offices: Array, shared: Array, made: Array, pools: Array
) -> IpTargets:
    countries, kinds = len(ctx.vocabulary("country")), offices.shape[1]

    def spread(values: Array) -> Array:
        table = np.zeros((countries, kinds), dtype=np.int64)
        table[places.country_iso] = values
        return table

    homes, sites = np.zeros_like(offices), np.zeros_like(offices)
    homes[:, ctx.code("ip_type", "RESIDENTIAL")] = places.home_ips
    sites[:, ctx.code("ip_type", "CORPORATE")] = places.terminal_sites
    return IpTargets(
        spread(homes), spread(offices), spread(shared), spread(sites), spread(made), spread(pools)
    )

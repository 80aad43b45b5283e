"""6A.S5: IP addresses and who uses them.

Every home has its own address, which only its household shares. Every organisation's premises and every site
with terminals have their own address too. Phones use carriers' NAT; devices use public networks, hosting and
proxies, which they share with strangers. Addresses of homes and premises follow from who lives and works
there, the other kinds from the prior's mixes (`targets.py`), under caps that are never exceeded.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.entities_6a.country_partitions import COUNTRY_PARTITIONS_NEEDS, country_ranges, span
from sim.segments.entities_6a.households import (
    HOUSEHOLDS_NEEDS,
    Households,
    addresses_needed,
    households_of,
    spread_evenly,
)
from sim.segments.entities_6a.link_rules import require_consistent
from sim.segments.entities_6a.s4_devices.rows import DEVICE_CELLS_NEEDS, cells_of, fields_of
from sim.segments.entities_6a.s5_network.checks import (
    IP_CHECKS_NEEDS,
    NetworkCounts,
    count_network,
    network_checks,
    network_summary,
)
from sim.segments.entities_6a.s5_network.links import IP_LINKS_NEEDS, Users, base_frame, link_frame
from sim.segments.entities_6a.s5_network.neighbourhoods import neighbourhood_frame
from sim.segments.entities_6a.s5_network.policy import require_possible
from sim.segments.entities_6a.s5_network.pools import IP_POOLS_NEEDS, Asking, pool_links
from sim.segments.entities_6a.s5_network.rows import IP_ROWS_NEEDS, Addresses, addresses_of, first_address
from sim.segments.entities_6a.s5_network.targets import IP_TARGETS_NEEDS, IpTargets, ip_targets
from sim.segments.entities_6a.terminals import (
    TERMINAL_SITES_NEEDS,
    in_countries,
    online_merchants,
    terminal_sites,
)
from sim.segments.entities_6a.terms import COUNTRY_TERMS_NEEDS, region_of_country
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

HOSTING = "6A.hosting"

STATE = State(
    id="6A.S5",
    title="Addresses and links",
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s1_party_summary_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s3_instrument_base_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
        "s4_device_links_6A": ROW_LEVEL,
    },
    writes=("s4_ip_base_6A", "s4_ip_links_6A", "s4_entity_neighbourhoods_6A", "s4_network_summary_6A"),
    streams=(HOSTING,),
    counts=(NetworkCounts,),
    uses=(
        ALIAS_BUILD_NEEDS,
        ALIAS_PICK_NEEDS,
        COUNTRY_PARTITIONS_NEEDS,
        COUNTRY_TERMS_NEEDS,
        DEVICE_CELLS_NEEDS,
        HOUSEHOLDS_NEEDS,
        IP_CHECKS_NEEDS,
        IP_LINKS_NEEDS,
        IP_POOLS_NEEDS,
        IP_ROWS_NEEDS,
        IP_TARGETS_NEEDS,
        TERMINAL_SITES_NEEDS,
        WORDS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse policies that contradict themselves."""
    require_possible(ctx)
    require_consistent(ctx, "ip_roles")


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries; each knows the id of its first address."""
    addresses = ip_targets(ctx).addresses.sum(axis=1)
    before = np.cumsum(addresses) - addresses
    ranges = country_ranges(ctx, ctx.load("s1_party_summary_6A"))
    return [
        Partition(index, spec={"countries": [first, stop], "first_ip": int(before[first]) + 1}, weight=rows)
        for index, (first, stop, rows) in enumerate(ranges)
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Addresses, links and neighbourhoods of a run of countries."""
    parties = ctx.load(
        "s1_party_base_6A", part=part.index, columns=("party_id", "country_iso", "party_type", "household_id")
    )
    devices = ctx.load("s4_device_base_6A", part=part.index)
    targets, homes = ip_targets(ctx), households_of(ctx, parties)
    addresses = addresses_of(ctx, targets, span(part))
    sites = in_countries(terminal_sites(ctx), "legal_country_iso", span(part))
    mine = np.flatnonzero(devices.present("primary_party_id"))
    owner = np.full(len(devices), -1, dtype=np.int64)
    owner[mine] = (
        (devices.primary_party_id[mine] - parties.party_id[0]).astype(np.int64) if len(mine) else mine
    )
    needed = addresses_needed(ctx, homes, np.bincount(homes.of_party[owner[mine]], minlength=len(homes.size)))
    kinds = (ctx.code("ip_type", "RESIDENTIAL"), ctx.code("ip_type", "CORPORATE"))
    first = first_address(homes, needed, addresses, kinds)
    site_ip = _site_addresses(targets, addresses, sites, kinds[1])
    own = np.empty(len(devices), dtype=np.int64)
    household = homes.of_party[owner[mine]]
    own[mine] = first[household] + spread_evenly(household, needed)
    terminal = np.flatnonzero(owner < 0)
    own[terminal] = site_ip[_site_of(devices, sites, terminal)]
    party_ip = first[homes.of_party] + spread_evenly(homes.of_party, needed)
    cells = cells_of(ctx, *_no_units(ctx), parties)
    device, cell = fields_of(ctx, devices.take(mine), owner[mine], cells)
    asking = Asking(
        mine,
        owner[mine],
        len(parties),
        devices.device_type[mine],
        devices.home_country_iso[mine],
        homes.private[household],
        device,
        cell,
    )
    used = np.bincount(own, minlength=len(addresses.kind))
    dealt = pool_links(ctx, targets, addresses, asking, used, span(part))
    hosted, merchant = _hosted(ctx, targets, addresses, part)
    users = Users(
        own,
        dealt,
        party_ip,
        *_merchants(np.concatenate([site_ip, hosted]), np.concatenate([sites.merchant_id, merchant])),
    )
    ids = {
        "device_id": devices.device_id,
        "owner_party_id": devices.primary_party_id,
        "party_id": parties.party_id,
    }
    links, degree = link_frame(ctx, addresses, users, ids, part.spec["first_ip"])
    base = base_frame(
        addresses,
        _owners(homes, needed, first, parties, sites, site_ip),
        degree,
        region_of_country(ctx),
        part.spec["first_ip"],
    )
    count_network(ctx, base, links, users, degree, devices, owner, homes)
    near = neighbourhood_frame(
        parties,
        homes,
        _holdings(ctx, part, parties),
        _device_users(ctx, part, parties, devices, owner),
        users,
    )
    return {"s4_ip_base_6A": base, "s4_ip_links_6A": links, "s4_entity_neighbourhoods_6A": near}


def _no_units(ctx: Context) -> tuple[Frame, Array]:
    summary = ctx.load("s1_party_summary_6A")
    return summary, np.zeros((len(summary), 0), dtype=np.uint64)


def _site_addresses(targets: IpTargets, addresses: Addresses, sites: Frame, kind: int) -> Array:
    """Position of each site's address: int64.

    Sites have the last addresses of their country and kind, in the order of sites.
    """
    country = sites.legal_country_iso
    before = (targets.offices + targets.shared)[:, kind]
    rank = np.arange(len(sites)) - np.searchsorted(country, country)
    position: Array = addresses.start[country, kind] + before[country] + rank
    return position


def _site_of(devices: Frame, sites: Frame, terminal: Array) -> Array:
    """Row of the site of each terminal: int64."""
    order = np.argsort(sites.site_id, kind="stable")
    return order[look_up(sites.site_id[order], devices.primary_site_id[terminal])]


def _hosted(
    ctx: PartitionContext, targets: IpTargets, addresses: Addresses, part: Partition
) -> tuple[Array, Array]:
    """Address and id of each merchant without terminals: any of its country's hosting addresses.

    All hosting addresses of a country are equally likely.
    """
    kind = ctx.code("ip_type", "DATACENTRE")
    online = in_countries(online_merchants(ctx, terminal_sites(ctx)), "home_country_iso", span(part))
    x = word(ctx, HOSTING, merchant_id=online.merchant_id)
    here = np.unique(online.home_country_iso)
    size = targets.shared[here, kind]
    tables = build_alias(
        ctx, np.append(0, np.cumsum(size)).astype(np.uint64), np.ones(int(size.sum()), dtype=np.uint64)
    )
    group = look_up(here, online.home_country_iso)
    row = tables.pick(ctx, x, group) - tables.offsets[:-1].astype(np.int64)[group] if len(online) else group
    return addresses.start[online.home_country_iso, kind] + row, online.merchant_id


def _merchants(ip: Array, merchant: Array) -> tuple[Array, Array]:
    order = np.argsort(ip, kind="stable")
    return ip[order], merchant[order]


def _owners(
    homes: Households, needed: Array, first: Array, parties: Frame, sites: Frame, site_ip: Array
) -> dict[str, tuple[Array, Array]]:
    """Who an address belongs to: households, organisations, merchants."""
    household = np.repeat(np.arange(len(needed)), needed)
    position = first[household] + np.arange(len(household)) - np.repeat(np.cumsum(needed) - needed, needed)
    private = homes.private[household]
    head = homes.member[homes.start[household]]
    return {
        "owner_household_id": (position[private], parties.household_id[head[private]]),
        "owner_party_id": (position[~private], parties.party_id[head[~private]]),
        "owner_merchant_id": (site_ip, sites.merchant_id),
    }


def _holdings(ctx: Context, part: Partition, parties: Frame) -> dict[str, Array]:
    first = parties.party_id[0] if len(parties) else np.uint64(1)
    sources = {"accounts": "s2_account_base_6A", "instruments": "s3_instrument_base_6A"}
    held = {
        name: ctx.load(id, part=part.index, columns=("owner_party_id",)).owner_party_id
        for name, id in sources.items()
    }
    return {name: (owners - first).astype(np.int64) for name, owners in held.items()}


def _device_users(
    ctx: Context, part: Partition, parties: Frame, devices: Frame, owner: Array
) -> dict[str, Array]:
    links = ctx.load("s4_device_links_6A", part=part.index, columns=("link_role", "party_id"))
    rows = np.flatnonzero(links.link_role == ctx.code("device_link_role", "SECONDARY_USER"))
    guest = (links.party_id[rows] - parties.party_id[0]).astype(np.int64) if len(rows) else rows
    return {"owner": owner, "shared": devices.present("shared_household_id"), "guest": guest}


def finish(ctx: Context, totals: Totals) -> Frames:
    """The summary by region and kind."""
    return {"s4_network_summary_6A": network_summary(ctx, totals)}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `ip_checks`."""
    return network_checks(ctx, totals)

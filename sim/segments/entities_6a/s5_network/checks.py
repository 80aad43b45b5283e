"""Checks of addresses and links over all published rows: mixes, coverage, caps, sharing, places, roles."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.join import match
from sim.recipes.sampling import multinomial_check
from sim.segments.entities_6a.households import Households
from sim.segments.entities_6a.link_rules import IP_IDS, LINK_RULES_NEEDS, ip_demands, wrong_ids
from sim.segments.entities_6a.network_tables import PERMILLE, integers
from sim.segments.entities_6a.s4_devices.checks import percentiles
from sim.segments.entities_6a.s5_network.days import OPEN
from sim.segments.entities_6a.s5_network.links import Users
from sim.segments.entities_6a.s5_network.mix_checks import (
    BIN_STARTS,
    MIX_CHECKS_NEEDS,
    MOST_IPS,
    NetworkCounts,
    mix_checks,
    tables_of,
)
from sim.segments.entities_6a.s5_network.network import Network
from sim.segments.entities_6a.s5_network.pools import Dealt
from sim.segments.entities_6a.s5_network.rows import IP_ROWS_NEEDS, asn_mixes
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_PPM = 1_000_000
_ROWS = 1 << 18

IP_CHECKS_NEEDS = Needs(
    config=("ip_prior_6A", "realism_gates_network_6A"),
    uses=(IP_ROWS_NEEDS, LINK_RULES_NEEDS, MIX_CHECKS_NEEDS),
)


def count_network(
    ctx: PartitionContext, base: Frame, links: Frame, made: Network, degree: dict[str, Array]
) -> None:
    """Integer sums, and maxima, over the rows as published."""
    prior, users, owner, devices = ctx.params.ip_prior_6A, made.users, made.owner, made.devices
    kinds, regions = len(ctx.vocabulary("ip_type")), len(ctx.vocabulary("region"))
    cell = base.region_id * np.int64(kinds) + base.ip_type
    site = base.present("owner_merchant_id")
    second = np.zeros(len(base), dtype=np.bool_)
    second[users.renewed[users.renewed >= 0]] = True
    apart = site | second
    figures = {
        "ips": np.ones(len(base), dtype=np.int64),
        "other_ips": apart.astype(np.int64),
        "device_links": degree["devices"],
        "party_links": degree["parties"],
        "merchant_links": degree["merchants"],
        "other_device_links": np.where(apart, degree["devices"], 0),
        "other_party_links": np.where(apart, degree["parties"], 0),
    }
    for name, values in figures.items():
        table = np.zeros(regions * kinds, dtype=np.int64)
        np.add.at(table, cell, values)
        ctx.count(NetworkCounts.tables[name], table)
    cap = integers(ctx, "ip_type", prior.devices_per_ip)
    width = len(BIN_STARTS)
    binned = base.ip_type * np.int64(width) + np.searchsorted(BIN_STARTS, degree["devices"], side="right") - 1
    ctx.count(NetworkCounts.degrees, np.bincount(binned[~site], minlength=kinds * width))
    most = np.zeros(kinds, dtype=np.int64)
    np.maximum.at(most, base.ip_type[~site], degree["devices"][~site])
    ctx.count(NetworkCounts.most, most)
    ctx.count(NetworkCounts.above_device_cap, int((degree["devices"] > cap[base.ip_type]).sum()))
    home = base.present("owner_household_id")
    ctx.count(NetworkCounts.above_party_cap, int((degree["parties"][home] > prior.parties_per_home).sum()))
    _count_devices(ctx, links, made)
    ctx.count(NetworkCounts.twins, sum(_twins(dealt, made) for dealt in users.dealt))
    ctx.count(NetworkCounts.strangers, _strangers(base, users, owner, made.homes))
    classes = len(ctx.vocabulary("asn_class"))
    ctx.count(
        NetworkCounts.classes,
        np.bincount(base.ip_type * np.int64(classes) + base.asn_class, minlength=kinds * classes),
    )
    places = np.unique(base.country_iso * np.int64(kinds) + base.ip_type)
    ctx.count(NetworkCounts.places, len(places))
    ctx.count(NetworkCounts.party_devices, int((owner >= 0).sum()))
    ctx.count(NetworkCounts.merchants, len(users.merchant) - int(site.sum()))
    ctx.count(NetworkCounts.dealt, sum(int((dealt.device < len(devices)).sum()) for dealt in users.dealt))


def _count_devices(ctx: PartitionContext, links: Frame, made: Network) -> None:
    """Rows of devices: their owners, and how many addresses each has in its country and abroad."""
    owner, many = made.owner, len(made.devices)
    each = np.bincount(made.away.device, minlength=many)
    guests = np.unique(made.guests.device, return_index=True)
    # A partition's links are its largest table: what is compared with each row is made piece by piece.
    for start in range(0, len(links), _ROWS):
        each += _count_piece(ctx, links.slice(start, min(start + _ROWS, len(links))), made, guests)
    ctx.count(NetworkCounts.devices, many)
    ctx.count(NetworkCounts.covered, int((each > 0).sum()))
    ctx.count(
        NetworkCounts.ips_a_device,
        np.bincount(np.minimum(each[owner >= 0], MOST_IPS), minlength=MOST_IPS + 1),
    )


def _count_piece(ctx: PartitionContext, links: Frame, made: Network, guests: tuple[Array, Array]) -> Array:
    """Rows of devices among some links; how many there are of each device of the partition: int64."""
    devices, many = made.devices, len(made.devices)
    present, first = links.present("device_id"), devices.device_id[0] if many else np.uint64(1)
    # Ids before the first wrap round, as does 0 of rows without a device: all of them are `many`.
    device = np.minimum(links.device_id - first, np.uint64(many)).astype(np.int64)
    theirs = np.append(devices.primary_party_id, np.uint64(0))[device]
    # A row of a device from elsewhere must be a guest's, of its party.
    away = np.flatnonzero(present & (device == many))
    guest, place = guests
    row, known = match(guest, links.device_id[away])
    theirs[away[known]] = made.guests.party[place][row[known]]
    ctx.count(NetworkCounts.unknown, int((~known).sum()))
    ownerless = present & (theirs == 0)
    ctx.count(NetworkCounts.wrong_ids, wrong_ids(ip_demands(ctx), links, IP_IDS, links.link_role, ownerless))
    rows = np.flatnonzero(device < many)
    life, mine = made.users.life, device[rows]
    last = np.where(links.present("valid_to"), links.valid_to, OPEN)[rows]
    outside = (links.valid_from[rows] < life.first[mine]) | (last > life.last[mine])
    outside |= last < links.valid_from[rows]
    ctx.count(NetworkCounts.outside_life, int(outside.sum()))
    other = present & links.present("party_id") & (links.party_id != theirs)
    ctx.count(NetworkCounts.wrong_owners, int(other.sum()))
    return np.bincount(device, minlength=many + 1)[:many]


def _strangers(base: Frame, users: Users, owner: Array, homes: Households) -> int:
    """Links to a home of devices and parties that do not belong to its household."""
    home, first = base.present("owner_household_id"), np.uint64(homes.first_id)
    rows = np.flatnonzero(home[users.own])
    who = owner[rows]
    theirs = homes.of_party[np.maximum(who, 0)].astype(np.uint64) + first
    wrong = (who < 0) | (theirs != base.owner_household_id[users.own[rows]])
    parties = np.flatnonzero(home[users.party_ip])
    other = (
        homes.of_party[parties].astype(np.uint64) + first != base.owner_household_id[users.party_ip[parties]]
    )
    more = sum(int(dealt.degree[home[dealt.ip]].sum()) for dealt in users.dealt)
    # A second address serves who is on the first, so its household must be theirs.
    both = np.flatnonzero(users.renewed >= 0)
    more += int((base.owner_household_id[both] != base.owner_household_id[users.renewed[both]]).sum())
    return int(wrong.sum()) + int(other.sum()) + more


def _twins(dealt: Dealt, made: Network) -> int:
    """Devices linked twice to an address of a kind, or dealt their own home or premises."""
    many = len(made.devices)
    who = np.concatenate((made.devices.device_id, made.guests.device))[dealt.device]
    own = dealt.device < many
    before = np.cumsum(dealt.degree) - dealt.degree
    same = np.zeros(len(who), dtype=np.bool_)
    same[1:] = who[1:] == who[:-1]
    same[before[dealt.degree > 0]] = False
    at_work = np.repeat(dealt.ip, dealt.degree)[own] == made.users.own[dealt.device[own]]
    return int(same.sum()) + int(at_work.sum())


def _degree_figures(ctx: Context, totals: Totals) -> list[dict[str, int]]:
    """Median, 99th percentile (to 1 part in 32) and largest number of devices on an address, by kind."""
    seen = NetworkCounts(totals)
    kinds = len(ctx.vocabulary("ip_type"))
    bins = seen.degrees
    most = seen.most
    found = []
    for kind in range(kinds):
        figures = percentiles(bins[kind])
        found.append(
            {
                "p50": int(BIN_STARTS[figures["p50"]]),
                "p99": int(BIN_STARTS[figures["p99"]]),
                "max": int(most[kind]),
            }
        )
    return found


def network_summary(ctx: Context, totals: Totals) -> Frame:
    """Rows of s4_network_summary_6A."""
    tables, kinds = tables_of(totals), len(ctx.vocabulary("ip_type"))
    rows = np.flatnonzero(tables["ips"].ravel())
    figures = _degree_figures(ctx, totals)
    region, kind = rows // kinds, rows % kinds
    shares = {}
    for name, of in (("node_share_ppm", "nodes"), ("edge_share_ppm", "edges")):
        whole = np.maximum(tables[of].sum(axis=1), 1)
        shares[name] = (tables[of].ravel()[rows] * _PPM // whole[region]).astype(np.uint32)
    counts = {
        name: tables[name].ravel()[rows].astype(np.uint64)
        for name in ("ips", "device_links", "party_links", "merchant_links")
    }
    degrees = {
        f"devices_{name}": np.array([figures[code][name] for code in kind.tolist()], dtype=np.uint32)
        for name in ("p50", "p99", "max")
    }
    return Frame(
        {
            "region_id": region.astype(np.int16),
            "ip_type": kind.astype(np.int16),
            **counts,
            **shares,
            **degrees,
        }
    )


def network_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of addresses and their links."""
    seen = NetworkCounts(totals)
    gates, names = ctx.params.realism_gates_network_6A, ctx.vocabulary("ip_type")
    zero = {
        "devices on an address": (seen.above_device_cap, "addresses above ip_prior_6A.devices_per_ip"),
        "parties on a home": (seen.above_party_cap, "homes above ip_prior_6A.parties_per_home"),
        "one link a device and address": (seen.twins, "devices linked to an address twice"),
        "ids as the role demands": (
            seen.wrong_ids,
            "links whose filled ids are not those of graph_linkage_6A.ip_roles",
        ),
        "links of devices name their owners": (
            seen.wrong_owners,
            "links of devices to another party than their owner",
        ),
        "links inside the life of their device": (
            seen.outside_life,
            "links of devices before their first or after their last day",
        ),
        "homes serve one household": (
            seen.strangers,
            "devices and parties on the address of another household's home",
        ),
        "who is abroad was sent there": (
            seen.unknown,
            "links to an address of another country not in s8_links_abroad_6A",
        ),
    }
    result = [Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()]
    devices, covered = seen.devices, seen.covered
    enough = covered * PERMILLE >= int(gates.coverage_permille) * devices
    result.append(
        Check("devices with an address", enough, [covered, devices], f"{gates.coverage_permille} permille")
    )
    result += mix_checks(ctx, totals)
    most = int(sum(int(value) for _, value in ctx.params.ip_prior_6A.ips_per_device.items())) + 3
    figures = percentiles(seen.ips_a_device)
    result.append(Check("addresses a device", figures["max"] <= most, figures, {"max": most}))
    for code, (name, figures) in enumerate(zip(names, _degree_figures(ctx, totals), strict=True)):
        cap = int(ctx.params.ip_prior_6A.devices_per_ip[name])
        result.append(
            Check(
                f"degrees of {name}",
                figures["max"] <= cap,
                figures,
                {"max": cap},
                "devices on an address; merchants' sites apart",
            )
        )
        count = int(tables_of(totals)["nodes"].sum(axis=0)[code])
        if name == "MOBILE":
            heavy = (
                count < PERMILLE
                or figures["p99"] * PERMILLE >= int(gates.tail_ratio_permille) * figures["p50"]
            )
            note = f"p99 / p50 >= {gates.tail_ratio_permille} permille, held from {PERMILLE} addresses on"
            result.append(
                Check(
                    "carriers' NAT is heavy-tailed",
                    heavy,
                    {"addresses": count, **figures},
                    int(gates.tail_ratio_permille),
                    note,
                )
            )
    classes, mixes = seen.classes, asn_mixes(ctx).astype(np.uint64)
    for code, name in enumerate(names):
        count = int(classes[code].sum())
        if count:
            allowance = (
                float(gates.sampling_sigma),
                1.0 + count * float(gates.mix_error_permille) / PERMILLE,
            )
            note = "network classes by the taxonomy"
            result.append(
                multinomial_check(
                    f"networks of {name}",
                    ctx.vocabulary("asn_class"),
                    classes[code],
                    mixes[code],
                    allowance,
                    note,
                )
            )
    ips = int(seen.tables["ips"].sum())
    kinds = len(names)
    result.append(ledger_check(totals, "6A.ip", ips, 6))
    result.append(ledger_check(totals, "6A.ip_demand", seen.party_devices, 1 + kinds))
    return [
        *result,
        ledger_check(totals, "6A.ip_link", seen.dealt, 2),
        ledger_check(totals, "6A.hosting", seen.merchants, 1),
    ]

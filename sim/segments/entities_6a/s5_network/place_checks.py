"""Checks of where addresses are and when links hold, over all rows.

"Who uses an office lives near it" is looked at address by address, of those with at least `crowd` devices:
what share of its users' homes are different metros, and how far apart their latitudes are. The latter is
1.4826 x the median absolute deviation, which is the standard deviation of a normal sample and is not moved by
the tenth of users that the law sends there from elsewhere.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_lengths, run_offsets, run_starts
from sim.recipes.sampling import sampling_check
from sim.segments.entities_6a.network_tables import PERMILLE, integers
from sim.segments.entities_6a.s5_network.days import OPEN
from sim.segments.entities_6a.s5_network.inward import INWARD_NEEDS, horizon_of, network_targets
from sim.segments.entities_6a.s5_network.network import Network
from sim.segments.entities_6a.s5_network.numbers import NUMBERS_NEEDS, Numbers, prefix_room
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_KM = np.float64(111.195)
_NORMAL = np.float64(1.4826)
_MOST_KM = 2000
_HALF, _LOW, _OFFSET = np.uint64(32), np.uint64(0xFFFFFFFF), np.int64(90_000_000)
_LOCAL = ("CORPORATE", "PUBLIC_WIFI", "EDUCATION")

PLACE_CHECKS_NEEDS = Needs(
    config=("ip_place_prior_6A", "realism_gates_network_6A"), uses=(INWARD_NEEDS, NUMBERS_NEEDS)
)


class PlaceCounts(Counters):
    """Places and days as published."""

    near = Vector("ip_type")
    local = Vector("ip_type")
    at_home = Vector("ip_type")
    other_metros = Vector("ip_type", PERMILLE + 1)
    apart = Vector("ip_type", _MOST_KM + 1)
    guests = Scalar()
    device_links = Scalar()
    far = Scalar()
    pools = Scalar()
    asked = Scalar()
    renewed = Vector("country")
    operators = Vector("country", "asn_class", 16)
    above_room = Scalar()
    outside_horizon = Scalar()


def count_places(ctx: PartitionContext, base: Frame, made: Network, numbers: Numbers) -> None:
    """Sums over a partition.

    Args:
        ctx: Context of 6A.S5.
        base: Its s4_ip_base_6A.
        made: Its network.
        numbers: What its addresses are called.
    """
    kinds, many = len(ctx.vocabulary("ip_type")), len(made.devices)
    local, near, at_home = (np.zeros(kinds, dtype=np.int64) for _ in range(3))
    home = made.atlas.metro_of(made.parties.home_city_id)
    guests = pools = far = asked = links = outside = 0
    horizon = horizon_of(ctx)
    for dealt in made.users.dealt:
        kind = int(made.addresses.kind[dealt.ip[0]])
        ip = np.repeat(dealt.ip, dealt.degree)
        own = dealt.device < many
        party = made.owner[dealt.device[own]]
        local[kind] = own.sum()
        near[kind] = (own & ~dealt.asked.far).sum()
        at_home[kind] = (base.metro_id[ip[own]] == home[party]).sum()
        guests, links, far = guests + int((~own).sum()), links + len(ip), far + int(dealt.asked.far.sum())
        pools += int(np.count_nonzero(np.bincount((dealt.asked.spot << 4) | dealt.asked.pool)))
        asked += int(np.count_nonzero(np.bincount(made.devices.home_country_iso[dealt.device[own]])))
        outside += int(
            (
                (dealt.days.last < np.maximum(dealt.days.first, horizon.first_day))
                | (dealt.days.first >= horizon.first_day + horizon.days)
            ).sum()
        )
    ctx.count(PlaceCounts.near, near)
    ctx.count(PlaceCounts.local, local)
    ctx.count(PlaceCounts.at_home, at_home)
    ctx.count(PlaceCounts.guests, guests)
    ctx.count(PlaceCounts.far, far)
    ctx.count(PlaceCounts.pools, pools)
    ctx.count(PlaceCounts.asked, asked)
    second, _ = made.users.second(made.users.own)
    ctx.count(PlaceCounts.device_links, links + many + len(second) + len(made.users.hub_ip))
    lines = made.users.lines
    late = (lines.last != OPEN) & (lines.last < np.maximum(lines.first, horizon.first_day))
    ctx.count(PlaceCounts.outside_horizon, outside + int(late.sum()))
    changed = made.addresses.country[np.flatnonzero(made.users.renewed >= 0)]
    ctx.count(PlaceCounts.renewed, np.bincount(changed, minlength=len(ctx.vocabulary("country"))))
    _count_operators(ctx, base)
    ctx.count(PlaceCounts.above_room, int((numbers.prefixes > prefix_room(ctx, made.targets)).sum()))
    _count_crowds(ctx, made, home)


def _count_operators(ctx: PartitionContext, base: Frame) -> None:
    classes = len(ctx.vocabulary("asn_class"))
    cell = (base.country_iso * np.int64(classes) + base.asn_class) * np.int64(16)
    cell += (base.asn.astype(np.int64) - 4_200_000_000) % 16
    ctx.count(
        PlaceCounts.operators, np.bincount(cell, minlength=len(ctx.vocabulary("country")) * classes * 16)
    )


def _count_crowds(ctx: PartitionContext, made: Network, home: Array) -> None:
    """How many metros the users of an address are from, and how far apart they live."""
    kinds = len(ctx.vocabulary("ip_type"))
    crowd = int(ctx.params.realism_gates_network_6A.crowd)
    others = np.zeros((kinds, PERMILLE + 1), dtype=np.int64)
    apart = np.zeros((kinds, _MOST_KM + 1), dtype=np.int64)
    local = [ctx.code("ip_type", name) for name in _LOCAL]
    found: dict[int, tuple[list[Array], list[Array]]] = {kind: ([], []) for kind in local}
    for dealt in made.users.dealt:
        kind = int(made.addresses.kind[dealt.ip[0]])
        if kind in local:
            own = dealt.device < len(made.devices)
            found[kind][0].append(np.repeat(dealt.ip, dealt.degree)[own])
            found[kind][1].append(made.owner[dealt.device[own]])
    office = local[0]
    staff = np.flatnonzero((made.owner >= 0) & (made.addresses.kind[made.users.own] == office))
    found[office][0].append(made.users.own[staff])
    found[office][1].append(made.owner[staff])
    for kind, (ips, parties) in found.items():
        if not ips:
            continue
        ip, party = np.concatenate(ips), np.concatenate(parties)
        some = np.bincount(ip, minlength=len(made.addresses.kind))[ip] >= crowd
        ip, party = ip[some], party[some]
        pair = np.sort((ip.astype(np.uint64) << _HALF) | home[party])
        at = pair >> _HALF
        size = run_lengths(run_offsets(at))
        different = np.bincount(np.repeat(np.arange(len(size)), size)[run_starts(pair)], minlength=len(size))
        others[kind] = np.bincount(different * PERMILLE // np.maximum(size, 1), minlength=PERMILLE + 1)
        km = _deviation(ip, made.parties.home_lat_deg[party]) * _KM * _NORMAL
        rounded = np.minimum(np.ceil(km), _MOST_KM).astype(np.int64)
        apart[kind] = np.bincount(rounded, minlength=_MOST_KM + 1)
    ctx.count(PlaceCounts.other_metros, others)
    ctx.count(PlaceCounts.apart, apart)


def _deviation(group: Array, value: Array) -> Array:
    """Median absolute deviation (lower medians) of the values of each group.

    Args:
        group: int64, n.
        value: float64, n: degrees, in whole microdegrees.

    Returns:
        float64, by group in ascending order, degrees.
    """
    micro = np.floor(value * 1e6 + 0.5).astype(np.int64)
    pair = np.sort((group.astype(np.uint64) << _HALF) | (micro + _OFFSET).astype(np.uint64))
    group, micro = pair >> _HALF, (pair & _LOW).astype(np.int64)
    offsets = run_offsets(group).astype(np.int64)
    size = np.diff(offsets)
    middle = offsets[:-1] + (size - 1) // 2
    away = np.abs(micro - np.repeat(micro[middle], size)).astype(np.uint64)
    apart: Array = (np.sort((group << _HALF) | away)[middle] & _LOW).astype(np.float64) / 1e6
    return apart


def _median(histogram: Array) -> int:
    """Least value that half are at or below; 0 of nothing."""
    total = int(histogram.sum())
    return int(np.searchsorted(np.cumsum(histogram), -(-total // 2))) if total else 0


def place_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of places and days."""
    seen, gates = PlaceCounts(totals), ctx.params.realism_gates_network_6A
    targets, names = network_targets(ctx), ctx.vocabulary("ip_type")
    law = integers(ctx, "ip_type", ctx.params.ip_place_prior_6A.same_metro_permille)
    kinds = np.flatnonzero(law)
    share = law[kinds].astype(np.float64) / PERMILLE
    local = seen.local[kinds].astype(np.float64)
    result = [
        sampling_check(
            "devices near home",
            [names[kind] for kind in kinds.tolist()],
            seen.near[kinds],
            local * share,
            local * share * (1 - share),
            (float(gates.sampling_sigma), 1.0),
            "links to where the owner lives, by ip_place_prior_6A.same_metro_permille",
        )
    ]
    guests = int(targets.inward.sum())
    result.append(
        Check(
            "links abroad are those asked for",
            seen.guests == guests,
            seen.guests,
            guests,
            "s8_links_abroad_6A",
        )
    )
    found = int(seen.renewed.sum())
    wanted = int(targets.renewed.sum())
    result.append(Check("homes with a second address", found == wanted, found, wanted))
    zero = {
        "days of links": (
            seen.outside_horizon,
            "links outside the horizon, or that end before they begin",
        ),
        "prefixes of countries": (seen.above_room, "countries with more prefixes than were kept for them"),
    }
    result += [Check(name, count == 0, count, 0, note) for name, (count, note) in zero.items()]
    result += _crowd_checks(ctx, seen)
    low, high = int(gates.abroad_permille[0]), int(gates.abroad_permille[1])
    of, part = max(seen.device_links, 1), seen.guests
    slack = int(gates.abroad_least_links)
    fits = part * PERMILLE <= high * of + slack * PERMILLE and part * PERMILLE >= low * of - slack * PERMILLE
    figures = {"abroad": part, "links": seen.device_links, "permille": round(part * PERMILLE / of, 2)}
    result.append(
        Check(
            "links of devices abroad",
            fits,
            figures,
            [low, high],
            f"permille of all links of devices; {slack} links more or less in small worlds",
        )
    )
    return [
        *result,
        ledger_check(totals, "6A.ip_far", seen.far, 1),
        ledger_check(totals, "6A.ip_lease", int((targets.homes + targets.renewed).sum()), 2),
        ledger_check(totals, "6A.ip_pool", seen.pools, 1),
        ledger_check(totals, "6A.ip_guest", seen.guests, 1),
        ledger_check(totals, "6A.ip_ask", seen.asked, 1),
        ledger_check(totals, "6A.ip_days", int(seen.local.sum()), 2),
    ]


def _crowd_checks(ctx: Context, seen: PlaceCounts) -> list[Check]:
    """Medians over addresses with enough devices; reported where a kind has few, or most places have none."""
    gates, result = ctx.params.realism_gates_network_6A, []
    note = f"median over addresses of {gates.crowd} devices and more; held in dense worlds"
    for name in _LOCAL:
        kind = ctx.code("ip_type", name)
        count, local = int(seen.other_metros[kind].sum()), max(int(seen.local[kind]), 1)
        at_home = int(seen.at_home[kind]) * PERMILLE // local
        held = count >= int(gates.crowd_addresses) and at_home >= int(gates.dense_permille)
        figures = {"addresses": count, "at_home_permille": at_home}
        since = {"addresses": int(gates.crowd_addresses), "at_home_permille": int(gates.dense_permille)}
        if name == "CORPORATE":
            metros, most = _median(seen.other_metros[kind]), int(gates.office_metros_permille)
            found = {**figures, "metros_permille": metros}
            result.append(
                Check(
                    "metros of an office's users",
                    not held or metros <= most,
                    found,
                    {"most": most, "from": since},
                    note,
                )
            )
        km, most = _median(seen.apart[kind]), int(gates.apart_km)
        found = {**figures, "km": km}
        result.append(
            Check(
                f"users of {name} live near",
                not held or km <= most,
                found,
                {"most": most, "from": since},
                note,
            )
        )
    return result

"""Checks of devices abroad over all published rows: exact shares, one journey a party, all of it abroad."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_starts
from sim.recipes.horizon import life_span
from sim.segments.entities_6a.network_tables import integers
from sim.segments.entities_6a.s8_abroad.law import ABROAD_LAW_NEEDS, asked_abroad, travel_kinds
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

ABROAD_CHECKS_NEEDS = Needs(config=("ip_abroad_prior_6A", "scenario_horizon_5A"), uses=(ABROAD_LAW_NEEDS,))


class AbroadCounts(Counters):
    """Links abroad as published."""

    links = Vector("country", "ip_type")
    at_home = Scalar()
    two_journeys = Scalar()
    outside_horizon = Scalar()
    outside_life = Scalar()
    above_cap = Scalar()
    exits = Scalar()
    parties = Scalar()


def count_abroad(ctx: PartitionContext, rows: Frame, parties: int, life: tuple[Array, Array]) -> None:
    """Sums over the rows of a partition.

    Args:
        ctx: Context of 6A.S8.
        rows: s8_links_abroad_6A.
        parties: Parties of the partition.
        life: int64: first and last day of each row's device.
    """
    kinds = len(ctx.vocabulary("ip_type"))
    shape = len(ctx.vocabulary("country")) * kinds
    place = rows.home_country_iso * np.int64(kinds) + rows.ip_type
    ctx.count(AbroadCounts.links, np.bincount(place, minlength=shape))
    ctx.count(AbroadCounts.at_home, int((rows.home_country_iso == rows.country_iso).sum()))
    there = rows.take(np.flatnonzero(travel_kinds(ctx)[rows.ip_type]))
    journeys = run_starts(there.party_id, there.country_iso, there.metro_id, there.valid_from)
    ctx.count(AbroadCounts.two_journeys, len(journeys) - len(run_starts(there.party_id)))
    horizon = life_span(ctx.params.scenario_horizon_5A)
    outside = (rows.valid_from >= horizon.first_day + horizon.days) | (
        rows.present("valid_to") & (rows.valid_to < np.maximum(rows.valid_from, horizon.first_day))
    )
    ctx.count(AbroadCounts.outside_horizon, int(outside.sum()))
    last = np.where(rows.present("valid_to"), rows.valid_to, NEVER)
    outside = (rows.valid_from < life[0]) | (last > life[1]) | (last < rows.valid_from)
    ctx.count(AbroadCounts.outside_life, int(outside.sum()))
    start = run_starts(rows.device_id, rows.ip_type)
    each = np.diff(np.append(start, len(rows)))
    most = integers(ctx, "ip_type", ctx.params.ip_abroad_prior_6A.links_per_device)
    ctx.count(AbroadCounts.above_cap, int((each > most[rows.ip_type[start]]).sum()))
    ctx.count(AbroadCounts.exits, len(rows) - len(there))
    ctx.count(AbroadCounts.parties, parties)


def abroad_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of links abroad."""
    seen, asked = AbroadCounts(totals), asked_abroad(ctx)
    zero = {
        "nobody is abroad at home": (seen.at_home, "links to the device's own country"),
        "one journey a party": (seen.two_journeys, "further journeys of parties that travel"),
        "days of links abroad": (
            seen.outside_horizon,
            "links that do not meet the horizon, or end before it",
        ),
        "links inside the life of their device": (
            seen.outside_life,
            "links of devices before their first or after their last day",
        ),
        "links abroad of a device": (seen.above_cap, "devices above ip_abroad_prior_6A.links_per_device"),
    }
    result = [Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()]
    found, wanted = seen.links.sum(axis=0), asked.sum(axis=0)
    short = int(np.maximum(asked - seen.links, 0).sum())
    over = int(np.maximum(seen.links - asked, 0).sum())
    names = ctx.vocabulary("ip_type")
    figures = {name: int(value) for name, value in zip(names, found.tolist(), strict=True) if value}
    goal = {name: int(value) for name, value in zip(names, wanted.tolist(), strict=True) if value}
    note = "links; short only where the devices of a country may have no more"
    exact = over == 0 and short * 50 <= int(wanted.sum()) + 50 * 50
    result.append(Check("links abroad by kind", exact, figures, goal, note))
    return [
        *result,
        ledger_check(totals, "6A.journey", seen.parties, 5),
        ledger_check(totals, "6A.exit", seen.exits, 4),
    ]

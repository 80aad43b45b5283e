"""Checks of the world's countries and places against the policy of the footprint."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_starts
from sim.segments.merchants_1a.countries import COUNTRIES_NEEDS, eligible_markets, replaces
from sim.segments.merchants_1a.footprint import town_candidates
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Frame
from sim.state.totals import Totals

WORLD_CHECKS_NEEDS = Needs(config=("footprint_policy_1A",), reference=("cities",), uses=(COUNTRIES_NEEDS,))


class WorldCounts(Counters):
    """Countries and places of the world, and what drew."""

    chosen = Scalar()
    countries = Scalar()
    without_metro = Scalar()
    stray_towns = Scalar()
    towns_drawn_from = Scalar()
    merchant_weight = Vector("country")


def count_world(ctx: PartitionContext, markets: Frame, footprint: Frame) -> None:
    """Count the figures of the checks from the rows as they will be published."""
    metro = footprint.place_kind == ctx.code("place_kind", "METRO")
    seats = footprint.take(metro)
    cities = ctx.reference("cities").sort("country_iso", "city_id")
    chosen = np.flatnonzero(np.isin(cities.city_id, seats.city_id))
    with_metro = seats.country_iso[run_starts(seats.country_iso)]
    ctx.count(WorldCounts.chosen, np.count_nonzero(markets.merchant_weight > 0))
    ctx.count(WorldCounts.countries, len(markets))
    ctx.count(WorldCounts.without_metro, len(np.setxor1d(with_metro, markets.country_iso)))
    ctx.count(WorldCounts.stray_towns, np.count_nonzero(~np.isin(footprint.metro_id, seats.city_id)))
    ctx.count(WorldCounts.towns_drawn_from, len(town_candidates(cities, chosen)))


def world_checks(ctx: Context, totals: Totals) -> list[Check]:
    """As many countries as policy says, each with a metro; no town without its metro; the ledger."""
    seen = WorldCounts(totals)
    own = replaces(ctx)
    wanted = (
        0 if own else min(ctx.params.footprint_policy_1A.countries, int((eligible_markets(ctx) > 0).sum()))
    )
    return [
        Check("countries chosen", seen.chosen == wanted, seen.chosen, wanted, "as many as policy says"),
        Check(
            "countries without a metro",
            seen.without_metro == 0,
            seen.without_metro,
            0,
            "world_markets_1A and the metros of world_footprint_1A have the same countries",
        ),
        Check("towns without their metro", seen.stray_towns == 0, seen.stray_towns, 0),
        ledger_check(totals, "1A.footprint_country", int(not own), 1),
        ledger_check(totals, "1A.footprint_metro", seen.countries, 1),
        ledger_check(totals, "1A.footprint_town", seen.towns_drawn_from, 1),
    ]

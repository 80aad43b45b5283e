"""Feasts that everybody knows, looked up in the published factors: Christmas and Singles Day."""

from __future__ import annotations

import numpy as np

from sim.recipes.civil import months_between, weekday_of
from sim.recipes.horizon import DAY_S, MICRO, Horizon
from sim.recipes.join import match
from sim.recipes.told_factors import packed
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

FEASTS_NEEDS = Needs(
    reads={"merchant_zone_profile_5A": ROW_LEVEL},
    config=("realism_gates_5A", "scenarios_5A"),
    reference=("countries", "holidays"),
)


class FeastCounts(Counters):
    """Combinations (country, zone, class) on these days, and those that sell otherwise than they should."""

    christmases = PerScenario(Scalar())
    christmases_off = PerScenario(Scalar())
    singles_days = PerScenario(Scalar())
    singles_days_off = PerScenario(Scalar())


def count_feasts(ctx: PartitionContext, scenario: str, horizon: Horizon, table: Frame) -> None:
    """Look at the factors of a scenario at noon of the feasts within its horizon.

    Args:
        ctx: Context of 5A.S4.
        scenario: Scenario.
        horizon: Its horizon.
        table: Rows of `scenario_overlay_factors_5A`.
    """
    config = ctx.params.scenarios_5A.scenarios[scenario]
    keys = ctx.load("merchant_zone_profile_5A", columns=("legal_country_iso", "tzid", "demand_class"))
    combinations = keys.take(np.unique(packed(keys), return_index=True)[1])
    if "HOLIDAY" in config.overlays:
        law = ctx.params.realism_gates_5A.christmas
        countries, holidays = ctx.reference("countries"), ctx.reference("holidays")
        there = countries.country_iso[np.array(countries.region.tolist()) == law.region]
        label = combinations.demand_class == ctx.code("demand_class", law["class"])
        for day in _days(horizon, 12, 25):
            closed = np.intersect1d(there, holidays.country_iso[holidays.date == day])
            mine = combinations.take(label & np.isin(combinations.legal_country_iso, closed))
            factor = _noon(ctx, mine, table, day, horizon)
            ctx.count(FeastCounts.christmases[scenario], len(factor))
            off = int(((factor < law.low) | (factor > law.high)).sum())
            ctx.count(FeastCounts.christmases_off[scenario], off)
    if {"singles_day", "black_friday_asia"} <= set(config.windows):
        place = ctx.params.realism_gates_5A.singles_day
        mine = combinations.take(
            (combinations.legal_country_iso == ctx.code("country", place.country))
            & (combinations.demand_class == ctx.code("demand_class", place["class"]))
        )
        for day in _days(horizon, 11, 11):
            first = day - 10  # of November
            friday = first + (4 - weekday_of(first)) % 7 + 21 + 1
            if friday >= horizon.first_day + horizon.days:
                continue
            less = _noon(ctx, mine, table, day, horizon) <= _noon(ctx, mine, table, friday, horizon)
            ctx.count(FeastCounts.singles_days[scenario], len(less))
            ctx.count(FeastCounts.singles_days_off[scenario], int(less.sum()))


def feast_checks(ctx: Context, totals: Totals) -> list[Check]:
    """No combination that should rest sells, and none sells more on the other feast."""
    seen, gates = FeastCounts(totals), ctx.params.realism_gates_5A
    checks = []
    for name in ctx.scenarios:
        found, of = seen.christmases_off[name], seen.christmases[name]
        band = [gates.christmas.low, gates.christmas.high]
        note = f"of {of} zones of {gates.christmas.region} on 25 December, outside {band} of an ordinary noon"
        checks.append(Check(f"Christmas of {name}", found == 0, found, 0, note))
        found, of = seen.singles_days_off[name], seen.singles_days[name]
        country = gates.singles_day.country
        note = f"of {of} zones of {country} that sell no more on 11 November than on Black Friday"
        checks.append(Check(f"Singles Day of {name}", found == 0, found, 0, note))
    return checks


def _days(horizon: Horizon, month: int, day: int) -> list[int]:
    """Days since 1970 of a date within the horizon, a day off its ends: every clock has their noon then."""
    last = horizon.first_day + horizon.days - 1
    found = [one.day(day) for one in months_between(horizon.first_day, last) if one.number == month]
    return [each for each in found if horizon.first_day < each < last]


def _noon(ctx: Context, combinations: Frame, table: Frame, day: int, horizon: Horizon) -> Array:
    """Factor of each combination at noon of a local day, without what chance and stress add: float64."""
    chance = [ctx.code("event_type", name) for name in ("OUTAGE", "STRESS")]
    since = (day * DAY_S + DAY_S // 2) * MICRO - table.local_start
    length = table.local_buckets.astype(np.int64) * horizon.bucket_seconds * MICRO
    now = table.take((since >= 0) & (since < length) & ~np.isin(table.event_type, chance))
    own, told = packed(combinations), packed(now)
    order = np.argsort(own)
    row, known = match(own[order], told)
    factor = np.ones(len(own), dtype=np.float64)
    np.multiply.at(factor, order[row[known]], now.factor[known])
    return factor

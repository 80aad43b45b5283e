"""Figures of keys' weeks for the checks of 5A.S3: clocks of a class, nights, days of rest."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.join import look_up
from sim.segments.intensity_5a.keys import HOURS
from sim.segments.intensity_5a.own_week import OwnWeeks, mean_minute
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

WEEK_SUMS_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "merchant_supplied_1A": ROW_LEVEL},
    config=("realism_gates_5A",),
)


class WeekCounts(Counters):
    """Of generated card-present keys: mean minutes by class, sales by night, a country's Sundays."""

    clocks = Vector("demand_class")
    minutes = Vector("demand_class")
    squares = Vector("demand_class")
    sold_closed = Scalar()
    night_keys = Scalar()
    night_volume = Scalar()
    sunday_volume = Scalar()
    rest_volume = Scalar()
    rest_squares = Scalar()


def count_weeks(ctx: PartitionContext, keys: Frame, weeks: OwnWeeks, open_slots: Array) -> None:
    """Add what the checks need of some keys.

    Args:
        ctx: Context of 5A.S3.
        keys: Rows of `merchant_zone_profile_5A`.
        weeks: Their weeks.
        open_slots: int64, (keys, 168).
    """
    gates = ctx.params.realism_gates_5A
    physical = weeks.share * (1.0 - weeks.virtual)
    ctx.count(WeekCounts.sold_closed, int(((physical > 0.0) & (open_slots == 0)).sum()))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id",)).merchant_id
    looked_at = (keys.channel_group == ctx.code("channel", "card_present")) & ~np.isin(
        keys.merchant_id, given
    )
    rows = np.flatnonzero(looked_at)
    minute = mean_minute(weeks.share[rows]).astype(np.int64)
    label, classes = keys.demand_class[rows], len(ctx.vocabulary("demand_class"))
    for counter, values in (
        (WeekCounts.clocks, np.ones(len(rows), dtype=np.int64)),
        (WeekCounts.minutes, minute),
        (WeekCounts.squares, minute * minute),
    ):
        sums = np.zeros(classes, dtype=np.int64)
        np.add.at(sums, label, values)
        ctx.count(counter, sums)
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    mcc = merchants.mcc[look_up(merchants.merchant_id, keys.merchant_id)]
    asleep = np.flatnonzero(looked_at & np.isin(mcc, np.array(gates.night.mccs)))
    hour = np.arange(HOURS) % 24
    night = (hour >= gates.night["from"]) | (hour < gates.night.to)
    volume = fixed_point(keys.weekly_volume_expected[asleep, None] * physical[asleep][:, night], 20)
    ctx.count(WeekCounts.night_keys, len(asleep))
    ctx.count(WeekCounts.night_volume, int(volume.sum(dtype=np.uint64)))
    law = gates.sunday
    here = np.flatnonzero(
        looked_at
        & (keys.legal_country_iso == ctx.code("country", law.country))
        & (keys.demand_class == ctx.code("demand_class", law["class"]))
    )
    weekly = fixed_point(keys.weekly_volume_expected[here], 4).astype(np.int64)
    sunday = weeks.share[here][:, 6 * 24 :] * keys.weekly_volume_expected[here, None]
    ctx.count(WeekCounts.sunday_volume, int(fixed_point(sunday, 20).sum(dtype=np.uint64)))
    ctx.count(WeekCounts.rest_volume, int(weekly.sum()))
    ctx.count(WeekCounts.rest_squares, int((weekly.astype(object) ** 2).sum()))


def week_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Clocks differ as merchants' do; who sleeps sells nothing; a country rests on Sundays."""
    return [_closed(totals), _clocks(ctx, totals), _night(ctx, totals), _sunday(ctx, totals)]


def _closed(totals: Totals) -> Check:
    found = WeekCounts(totals).sold_closed
    return Check(
        "sites sell while open", found == 0, found, 0, "hours of keys with sales at sites that are closed"
    )


def _clocks(ctx: Context, totals: Totals) -> Check:
    """Standard deviation of the mean local hour between merchants of a class, pooled over classes."""
    seen, gates = WeekCounts(totals), ctx.params.realism_gates_5A
    sums = zip(seen.clocks.tolist(), seen.minutes.tolist(), seen.squares.tolist(), strict=True)
    inner = [(n, squares - minutes * minutes / n) for n, minutes, squares in sums if n > 1]
    freedom = sum(n - 1 for n, _ in inner)
    hours = (max(0.0, sum(part for _, part in inner)) / max(1, freedom)) ** 0.5 / 60.0
    # A standard deviation from n values has a relative error of sqrt((kurtosis - 1) / 4 n); trades mix, so 6.
    error = gates.false_alarm_sigma * (5.0 / 4.0 / max(1, freedom)) ** 0.5
    bounds = [gates.clock_hours.low * (1.0 - error), gates.clock_hours.high * (1.0 + error)]
    passed = freedom == 0 or bounds[0] <= hours <= bounds[1]
    return Check(
        "clocks of a class differ", passed, hours, bounds, "standard deviation of the mean local hour"
    )


def _night(ctx: Context, totals: Totals) -> Check:
    seen, law = WeekCounts(totals), ctx.params.realism_gates_5A.night
    note = f"2**-20 arrivals a week from {law['from']} to {law.to} h, of {seen.night_keys} keys"
    return Check("trades that sleep", seen.night_volume == 0, seen.night_volume, 0, note)


def _sunday(ctx: Context, totals: Totals) -> Check:
    """Share of Sunday; its sampling error is that of shops that open or not, each with its own volume."""
    seen, gates = WeekCounts(totals), ctx.params.realism_gates_5A
    law, weekly = gates.sunday, seen.rest_volume
    share = seen.sunday_volume / 2.0**16 / max(1, weekly)
    even, high = 1.0 / 7.0, float(law.high)
    spread = (seen.rest_squares / max(1, weekly) ** 2 * (high / even) * (1.0 - high / even)) ** 0.5 * even
    error = gates.false_alarm_sigma * spread
    bounds = [max(0.0, law.low - error), high + error]
    passed = weekly == 0 or bounds[0] <= share <= bounds[1]
    return Check("Sundays of a country that rests", passed, share, bounds, f"{law['class']} in {law.country}")

"""Noise of days as it comes out in arrivals, against what is known of national and merchants' card counts.

Arrivals of a UTC day are divided by the demand that calendar and clocks alone would have, so holidays,
paydays and closed days count for nothing. What is left is noise and counting. How much counting alone does
follows from the counts' law (sum of variances over the square of the demand); it is subtracted where the
figure says so. Tolerances are the sampling errors of so many countries, merchants and days.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import span_of
from sim.segments.arrivals_5b.sums import square_root
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.totals import Totals

DAY_CHECKS_NEEDS = Needs(
    reads={"scenario_manifest_5A": ROW_LEVEL}, config=("realism_gates_5B", "scenario_horizon_5A")
)

SIZES = ("large", "small")
_UNIT = np.float64(1 << 20)  # demand is in 2**-20 arrivals
_FINE = np.float64(1 << 30)
_COARSE = np.float64(1 << 10)


def _days(ctx: Any) -> int:
    """Days of the longest horizon."""
    return span_of(ctx.params.scenario_horizon_5A).days


class DayCounts(Counters):
    """By scenario: arrivals, demand (2**-20) and variance of counting (2**-10) of each country and UTC day.

    Of merchants of each size: their days, squared deviations of their ratios from 1, and what counting alone
    does to these (2**-30).
    """

    arrivals_of = PerScenario(Vector("country", _days))
    demand_of = PerScenario(Vector("country", _days))
    law_of = PerScenario(Vector("country", _days))
    days_of = PerScenario(Vector(len(SIZES)))
    scatter_of = PerScenario(Vector(len(SIZES)))
    counting_of = PerScenario(Vector(len(SIZES)))


def count_days(
    ctx: PartitionContext, scenario: str, keys: Frame, arrivals: Array, demand: Array, law: Array
) -> None:
    """Add the days of a run of merchants.

    Args:
        ctx: Context.
        scenario: Scenario.
        keys: Rows of s1_grouping_5B: whole merchants.
        arrivals: uint64, keys x days.
        demand: uint64, keys x days: 2**-20 arrivals.
        law: uint64, keys x days: sum of the counts' variances, 2**-16.
    """
    days, most = arrivals.shape[1], _days(ctx)
    countries = len(ctx.vocabulary("country"))
    for counter, values in (
        (DayCounts.arrivals_of, arrivals),
        (DayCounts.demand_of, demand),
        (DayCounts.law_of, law >> np.uint64(6)),
    ):
        sums = np.zeros((countries, most), dtype=np.int64)
        np.add.at(sums, keys.legal_country_iso, np.pad(values.astype(np.int64), ((0, 0), (0, most - days))))
        ctx.count(counter[scenario], sums)
    starts = run_starts(keys.merchant_id)
    mine = [np.add.reduceat(values, starts, axis=0) for values in (arrivals, demand, law)]
    sold, wanted, spread = (values.astype(np.float64) for values in mine)
    wanted /= _UNIT
    spread /= np.float64(1 << 16)
    open_days = (wanted > 0.0).sum(axis=1)
    usual = (mine[1].sum(axis=1).astype(np.float64) / _UNIT) / np.maximum(open_days, 1)
    figures = np.zeros((3, len(SIZES)), dtype=np.int64)
    for place, name in enumerate(SIZES):
        band = ctx.params.realism_gates_5B.days[name]
        size = (usual >= band.least_arrivals) & (usual < band.most_arrivals)
        # A day on which next to nothing is open says nothing of noise.
        there = size[:, None] & (wanted >= 0.5 * usual[:, None])
        ratio, square = sold[there] / wanted[there], wanted[there] * wanted[there]
        apart = np.minimum((ratio - 1.0) * (ratio - 1.0), 1024.0)
        figures[:, place] = (
            int(there.sum()),
            int(np.floor(apart * _FINE).astype(np.int64).sum()),
            int(np.floor(np.minimum(spread[there] / square, 1024.0) * _FINE).astype(np.int64).sum()),
        )
    ctx.count(DayCounts.days_of[scenario], figures[0])
    ctx.count(DayCounts.scatter_of[scenario], figures[1])
    ctx.count(DayCounts.counting_of[scenario], figures[2])


def day_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Noise of countries, how they move together, and scatter of merchants, in every baseline scenario."""
    seen, gates, found = DayCounts(totals), ctx.params.realism_gates_5B, []
    for name in ctx.scenarios:
        manifest = ctx.load("scenario_manifest_5A", scenario=name)
        if ctx.vocabulary("scenario_band")[manifest.band[0]] != "baseline":
            continue  # a stress scenario may be as nervous as it likes
        days = int(manifest.buckets[0]) * int(manifest.bucket_seconds[0]) // 86_400
        ratio, counting = _national(gates.days, seen, name, days)
        found += _national_checks(gates, name, ratio, counting)
        for place, size in enumerate(SIZES):
            figures = (seen.days_of, seen.scatter_of, seen.counting_of)
            number, scatter, chance = (int(figure[name][place]) for figure in figures)
            if number:
                found.append(_merchant_check(gates, name, size, number, scatter / _FINE, chance / _FINE))
    return found


def _national(gates: Params, seen: DayCounts, name: str, days: int) -> tuple[Array, Array]:
    """Ratios less 1 of countries with enough arrivals (countries, days), and their variance by counting."""
    figures = (seen.arrivals_of, seen.demand_of, seen.law_of)
    sold, wanted, law = (figure[name][:, :days].astype(np.float64) for figure in figures)
    wanted /= _UNIT
    law /= _COARSE
    least = float(gates.national.least_arrivals)
    there = (wanted >= 0.1 * least).all(axis=1) & (wanted.mean(axis=1) >= least)
    ratio = sold[there] / wanted[there] - 1.0
    return ratio, (law[there] / (wanted[there] * wanted[there])).mean(axis=1)


def _national_checks(gates: Params, name: str, ratio: Array, counting: Array) -> list[Check]:
    countries, days = ratio.shape
    if countries == 0 or days < 7:
        return []
    sigma = float(gates.false_alarm_sigma)
    band, pairs = gates.days.national, gates.days.correlation
    centred = ratio - ratio.mean(axis=1, keepdims=True)
    variance = (centred * centred).sum(axis=1) / (days - 1)
    noise = float(np.median(np.sqrt(np.maximum(variance - counting, 0.0))))
    # A variance of n days has relative error sqrt(2 / (n - 1)), a median 1.25 times that of a mean, and
    # countries that share a part r of their variance count as n / (1 + (n - 1) r).
    shared = 0.5 * (float(pairs.low) + float(pairs.high))
    apart = countries / (1.0 + (countries - 1) * shared)
    within = 1.25 * sigma / square_root(2.0 * (days - 1) * apart)
    low, high = float(band.low) * max(0.0, 1.0 - within), float(band.high) * (1.0 + within)
    found = [
        Check(
            f"national noise of {name}",
            low <= noise <= high,
            round(noise, 9),
            {"from": low, "to": high},
            "standard deviation of arrivals over demand, counting left out; "
            f"median of {countries} countries, {days} days",
        )
    ]
    if countries > 1:
        scaled = centred / np.sqrt((centred * centred).sum(axis=1, keepdims=True))
        whole = scaled.sum(axis=0)
        mean = (float((whole * whole).sum()) - countries) / (countries * (countries - 1))
        error = square_root(2.0 / (days - 1)) * (shared + (1.0 - shared) / countries)
        low, high = float(pairs.low) - sigma * error, float(pairs.high) + sigma * error
        found.append(
            Check(
                f"countries together in {name}",
                low <= mean <= high,
                round(mean, 9),
                {"from": low, "to": high},
                f"mean correlation of two of {countries} countries over {days} days",
            )
        )
    return found


def _merchant_check(gates: Params, name: str, size: str, days: int, scatter: float, counting: float) -> Check:
    band = gates.days[size]
    found, chance = (square_root(value / days) for value in (scatter, counting))
    independent = max(1.0, days / float(gates.days.memory_days))
    within = float(gates.false_alarm_sigma) * square_root(2.0 / independent)
    low = float(band.low) * square_root(max(0.0, 1.0 - within))
    high = float(band.high) * square_root(1.0 + within)
    return Check(
        f"daily scatter of {size} merchants in {name}",
        low <= found <= high,
        {"scatter": found, "by counting": chance},
        {"from": low, "to": high},
        f"root mean square of arrivals over demand about 1, {days} merchant-days",
    )

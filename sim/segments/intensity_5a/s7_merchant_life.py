"""5A.S7: when each merchant opens and closes, and how its sales drift.

    opened = end of the world - age,             age exponential: the same share opens every quarter
    closed = first day it sells + time to end,   exponential; nothing where that outlasts the world
    growth = sigma n a year

The world is the span of `scenario_horizon_5A` itself; a scenario with dates of its own sees the same lives.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.horizon import life_span
from sim.recipes.join import look_up
from sim.recipes.words import WORDS_NEEDS, words
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals


class Counts(Counters):
    """Merchants, those that may open and close, and those that do within the world."""

    merchants = Scalar()
    mortal = Scalar()
    openings = Scalar()
    closings = Scalar()


STATE = State(
    id="5A.S7",
    title="Life of merchants",
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "outlet_catalogue": ROW_LEVEL,
    },
    config=("merchant_life_5A", "realism_gates_5A", "scenario_horizon_5A"),
    writes=("s7_merchant_life_5A",),
    streams=("5A.merchant_life",),
    kernels=("log_map", "open_uniform", "normal_quantile_map"),
    counts=(Counts,),
    uses=(WORDS_NEEDS,),
)

_DRAWS = 3
_QUARTER, _YEAR = 365.25 / 4.0, 365.25


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Lives of all merchants."""
    law, span = ctx.params.merchant_life_5A, life_span(ctx.params.scenario_horizon_5A)
    merchant_id = ctx.load("merchant_catalogue_1A", columns=("merchant_id",)).merchant_id
    given = np.isin(merchant_id, ctx.load("merchant_supplied_1A", columns=("merchant_id",)).merchant_id)
    owner = look_up(merchant_id, ctx.load("outlet_catalogue", columns=("merchant_id",)).merchant_id)
    mortal = ~given & (np.bincount(owner, minlength=len(merchant_id)) <= 1)
    x = words(ctx, "5A.merchant_life", merchant_id=merchant_id)
    end, oldest = span.first_day + span.days, int(law.oldest_years * _YEAR)
    age = np.minimum(_days(ctx, x[0], law.openings_a_quarter, oldest), oldest)
    opened = end - 1 - age
    opened = np.where(mortal, opened, np.minimum(opened, span.first_day))
    first = np.maximum(opened, span.first_day)
    closed = first + 1 + _days(ctx, x[1], law.closings_a_quarter, oldest)
    closes = mortal & (closed < end)
    limit = np.float64(law.growth_limit_sigmas)
    deviate = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=x[2]))
    growth = np.clip(deviate, -limit, limit) * np.float64(law.growth_sigma)
    ctx.count(Counts.merchants, len(merchant_id))
    ctx.count(Counts.mortal, int(mortal.sum()))
    ctx.count(Counts.openings, int((mortal & (opened > span.first_day)).sum()))
    ctx.count(Counts.closings, int(closes.sum()))
    frame = Frame(
        {
            "merchant_id": merchant_id,
            "opened_date": np.where(given, 0, opened).astype(np.int32),
            "closed_date": np.where(closes, closed, 0).astype(np.int32),
            "growth": np.where(given, 0.0, growth),
        },
        {"opened_date": ~given, "closed_date": closes},
    )
    return {"s7_merchant_life_5A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Draws; openings and closings against their hazards."""
    seen, law = Counts(totals), ctx.params.merchant_life_5A
    days = life_span(ctx.params.scenario_horizon_5A).days
    return [
        ledger_check(totals, "5A.merchant_life", seen.merchants, _DRAWS),
        _hazard(ctx, "openings", seen.openings, seen.mortal, law.openings_a_quarter, days - 1),
        _hazard(ctx, "closings", seen.closings, seen.mortal, law.closings_a_quarter, days - 1),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Openings and closings within the world."""
    seen = Counts(totals)
    found = {"openings": seen.openings, "closings": seen.closings, "of": seen.mortal}
    return [Measurement("life of merchants", found, "merchants", "with one outlet or none")]


def _days(ctx: Context, x: Array, a_quarter: float, never: int) -> Array:
    """Whole days until something that happens to a part of all in a quarter: int64, exponential."""
    if a_quarter == 0.0:
        return np.full(len(x), never, dtype=np.int64)
    one = np.ones(1, dtype=np.float64)
    rate = -ctx.kernels.log_map(x=one - np.float64(a_quarter))[0] / np.float64(_QUARTER)
    days: Array = np.floor(-ctx.kernels.log_map(x=ctx.kernels.open_uniform(x=x)) / rate).astype(np.int64)
    return days


def _hazard(ctx: Context, name: str, found: int, of: int, a_quarter: float, days: int) -> Check:
    """As many as the hazard says, but for the sampling error.

    The last day has no opening that sells, and the first is of those open already. Who opens late has less
    time to close: half of the openings' share of the closings is left out of the lower bound.
    """
    share = 1.0 - (1.0 - a_quarter) ** (days / _QUARTER)
    mean = share * of
    error = ctx.params.realism_gates_5A.false_alarm_sigma * (mean * (1.0 - share)) ** 0.5 + 12.0
    late = share * mean if name == "closings" else 0.0
    bounds = [max(0.0, mean - late - error), mean + error]
    return Check(name, bounds[0] <= found <= bounds[1], found, bounds, f"within the world, of {of} merchants")

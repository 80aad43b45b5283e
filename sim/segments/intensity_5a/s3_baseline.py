"""5A.S3: expected arrivals of each key in each hour of an ordinary local week = weekly volume x own share."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.opening import HOUR_SLOTS, OPENING_NEEDS, opening_in
from sim.recipes.partitions import rows_of, whole_runs
from sim.segments.intensity_5a.keys import (
    HOURS,
    KEYS_NEEDS,
    PARTITION_ROWS,
    repeated,
    weekend_rule_of_country,
)
from sim.segments.intensity_5a.own_week import OWN_WEEK_NEEDS, own_weeks, profiles_of
from sim.segments.intensity_5a.recurring import (
    RECURRING_NEEDS,
    RecurringCounts,
    count_recurring,
    recurring_checks,
    recurring_measure,
    recurring_of,
)
from sim.segments.intensity_5a.week_sums import WEEK_SUMS_NEEDS, WeekCounts, count_weeks, week_checks
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals


class Counts(Counters):
    """Keys, and those whose week does not add up to their volume."""

    bad_weeks = Scalar()
    keys = Scalar()


STATE = State(
    id="5A.S3",
    title="Baseline demand",
    reads={"merchant_zone_profile_5A": ROW_LEVEL},
    writes=("merchant_zone_baseline_local_5A",),
    counts=(Counts, RecurringCounts, WeekCounts),
    uses=(KEYS_NEEDS, OPENING_NEEDS, OWN_WEEK_NEEDS, RECURRING_NEEDS, WEEK_SUMS_NEEDS),
)

_BITS = 20


def preflight(ctx: Context) -> None:
    """A country whose weekend has no rule is refused before anything is built."""
    weekend_rule_of_country(ctx)


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 rows a partition."""
    return whole_runs(
        ctx.load("merchant_zone_profile_5A", columns=("merchant_id",)).merchant_id, PARTITION_ROWS // HOURS
    )


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Rows of a run of merchants."""
    keys = ctx.load("merchant_zone_profile_5A", rows=rows_of(part))
    opening = opening_in(ctx, keys.merchant_id)
    row = opening.row_of(keys.merchant_id, keys.legal_country_iso)
    open_slots = opening.hours(row)
    open_slots[keys.virtual_share >= 1.0] = HOUR_SLOTS
    clocks = opening.clocks.take(row)
    weeks = own_weeks(ctx, keys, profiles_of(ctx), clocks, open_slots, recurring_of(ctx, keys, clocks))
    rate = keys.weekly_volume_expected[:, None] * weeks.share
    mass = fixed_point(rate, _BITS).astype(np.int64)
    weekly = fixed_point(keys.weekly_volume_expected, _BITS).astype(np.int64)
    # Each of 168 truncations loses less than one unit; roundings of shares lose 2**-52 of the volume each.
    slack = HOURS + 2 + (weekly >> 40)
    ctx.count(Counts.bad_weeks, int((np.abs(mass.sum(axis=1) - weekly) > slack).sum()))
    ctx.count(Counts.keys, len(keys))
    count_weeks(ctx, keys, weeks, open_slots)
    count_recurring(ctx, keys, rate, weeks.recurring)
    frame = Frame(
        {
            **repeated(keys, HOURS),
            "hour_of_week": np.tile(np.arange(HOURS, dtype=np.uint16), len(keys)),
            "lambda_local_base": rate.ravel(),
            "virtual_share": weeks.virtual.ravel(),
            "recurring_share": weeks.recurring.ravel(),
        }
    )
    return {"merchant_zone_baseline_local_5A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Weekly mass of every key; opening hours and clocks of all; what recurs."""
    seen = Counts(totals)
    return [
        Check("weekly mass of every key", seen.bad_weeks == 0, seen.bad_weeks, 0, f"of {seen.keys} keys"),
        *week_checks(ctx, totals),
        *recurring_checks(ctx, totals),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How much of card-not-present demand recurs."""
    return [recurring_measure(totals)]

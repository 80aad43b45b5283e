"""5A.S3: expected arrivals of each key in each hour of an ordinary local week = weekly volume x shape."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.partitions import rows_of, whole_runs
from sim.segments.intensity_5a.keys import (
    HOURS,
    KEYS_NEEDS,
    PARTITION_ROWS,
    repeated,
    shape_row,
    weekend_rule_of_country,
)
from sim.segments.intensity_5a.masses import FIGURES, PART, class_sums, shares, weekend_hours
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals


class Counts(Counters):
    """Weekly demand in fixed point, by class and hour."""

    bad_weeks = Scalar()
    keys = Scalar()
    mass = Vector("demand_class", "channel", "weekend_rule", HOURS)
    volume = Vector("demand_class", "channel", "weekend_rule")


STATE = State(
    id="5A.S3",
    title="Baseline demand",
    reads={"merchant_zone_profile_5A": ROW_LEVEL, "class_zone_shape_5A": ROW_LEVEL},
    config=("demand_policy_5A", "realism_gates_5A"),
    writes=("merchant_zone_baseline_local_5A",),
    counts=(Counts,),
    uses=(KEYS_NEEDS,),
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
    shapes = ctx.load("class_zone_shape_5A", columns=("shape_value",)).shape_value.reshape(-1, HOURS)
    row = shape_row(ctx, keys)
    rate = keys.weekly_volume_expected[:, None] * shapes[row]
    mass = fixed_point(rate, _BITS).astype(np.int64)
    weekly = fixed_point(keys.weekly_volume_expected, _BITS).astype(np.int64)
    # Each of 168 truncations loses less than one unit, and so do the volume's and the products' roundings.
    ctx.count(Counts.bad_weeks, int((np.abs(mass.sum(axis=1) - weekly) > HOURS + 2).sum()))
    ctx.count(Counts.keys, len(keys))
    ctx.count(Counts.mass, class_sums(mass, row, len(shapes)).ravel())
    ctx.count(Counts.volume, class_sums(weekly[:, None] * (np.arange(HOURS) == 0), row, len(shapes))[:, 0])
    frame = Frame(
        {
            **repeated(keys, HOURS),
            "hour_of_week": np.tile(np.arange(HOURS, dtype=np.uint16), len(keys)),
            "lambda_local_base": rate.ravel(),
        }
    )
    return {"merchant_zone_baseline_local_5A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Weekly mass of every key; weekend, night and peak-hour mass of every class against its shape."""
    seen = Counts(totals)
    frame = ctx.load("class_zone_shape_5A", columns=("shape_q",))
    shape = frame.shape_q.astype(np.int64).reshape(seen.mass.shape)
    volume = seen.volume[..., None]
    # Volumes are cut to 30 bits and shares to 26, so that the products and their sums stay below 2**63 for
    # any world, and a class of a few arrivals keeps its fractions.
    expected = ((volume >> max(0, int(volume.max()).bit_length() - 30)) * (shape >> 14)).sum(axis=1)
    found = seen.mass.sum(axis=1)
    weekend = weekend_hours(
        [ctx.params.demand_policy_5A.weekend_rules[name] for name in ctx.vocabulary("weekend_rule")]
    )
    apart = np.abs(shares(found, expected, weekend) - shares(expected, expected, weekend))
    apart[expected.sum(axis=(1, 2)) == 0] = 0
    worst = dict(zip(FIGURES, (apart.max(axis=0) * 100 / PART).tolist(), strict=True))
    points = ctx.params.realism_gates_5A.baseline_points
    return [
        Check("weekly mass of every key", seen.bad_weeks == 0, seen.bad_weeks, 0, f"of {seen.keys} keys"),
        Check(
            "hours of each class follow its shape",
            max(worst.values()) <= points,
            worst,
            points,
            "largest difference over classes, in points",
        ),
    ]

"""5A.S2: how a class sells over the 168 hours of a local week, by channel and weekend rule.

    value(minute of day) = floor + sum of amp x exp(-d^2 / (2 sigma^2)),  d the distance round the clock
    weight(day)          = day weight x weekend factor on the weekend days of the rule

An hour's value is the mean of its 60 minutes (taken at their middles). The 168 products are shared out of
exactly 2**40 by largest remainder, so a shape sums to 1 without rounding.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, fixed_point, largest_remainder
from sim.recipes.weights import WEIGHT_TOTAL, as_share
from sim.segments.intensity_5a.keys import HOURS
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Frames, Needs, Partition, State
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.totals import Totals


class Counts(Counters):
    """Shapes as published."""

    bad_sums = Scalar()
    shapes = Vector("demand_class", "channel", "weekend_rule", HOURS)


MINUTE_PROFILE_NEEDS = Needs(kernels=("exp_map",))

STATE = State(
    id="5A.S2",
    title="Weekly shapes",
    config=("demand_classes_5A", "demand_policy_5A", "realism_gates_5A"),
    writes=("class_zone_shape_5A",),
    counts=(Counts,),
    uses=(LARGEST_REMAINDER_NEEDS, MINUTE_PROFILE_NEEDS),
)

DAY_MINUTES = 1440
BITS = 44


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Every shape, in order of class, channel and rule."""
    names = (ctx.vocabulary("demand_class"), ctx.vocabulary("channel"), ctx.vocabulary("weekend_rule"))
    classes, rules = ctx.params.demand_classes_5A.classes, ctx.params.demand_policy_5A.weekend_rules
    weeks = [
        day_weights(classes[label], rules[rule])[:, None]
        * day_profile(ctx, classes[label].shape[channel])[None, :]
        for label in names[0]
        for channel in names[1]
        for rule in names[2]
    ]
    weight = fixed_point(np.concatenate([week.ravel() for week in weeks]), BITS)
    shapes = len(weeks)
    offsets = np.arange(shapes + 1, dtype=np.uint64) * np.uint64(HOURS)
    shape_q = largest_remainder(ctx, weight, offsets, np.full(shapes, WEIGHT_TOTAL, dtype=np.uint64))
    code = np.indices([len(column) for column in names], dtype=np.int16).reshape(3, -1)
    frame = Frame(
        {
            "demand_class": np.repeat(code[0], HOURS),
            "channel_group": np.repeat(code[1], HOURS),
            "weekend_rule": np.repeat(code[2], HOURS),
            "hour_of_week": np.tile(np.arange(HOURS, dtype=np.uint16), shapes),
            "shape_q": shape_q,
            "shape_value": as_share(shape_q),
        }
    )
    sums = shape_q.reshape(shapes, HOURS).sum(axis=1, dtype=np.uint64)
    ctx.count(Counts.bad_sums, int((sums != np.uint64(WEIGHT_TOTAL)).sum()))
    ctx.count(Counts.shapes, shape_q)
    return {"class_zone_shape_5A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Exact sums; online classes keep people's hours; channels differ."""
    seen = Counts(totals)
    shapes = seen.shapes
    by_hour = shapes[:, :, 0].reshape(*shapes.shape[:2], 7, 24).sum(axis=2)
    return [
        Check(
            "shapes sum to 1",
            seen.bad_sums == 0,
            seen.bad_sums,
            0,
            "shapes whose integers do not sum to 2**40",
        ),
        *_online_checks(ctx, by_hour),
        _channels_differ(ctx, by_hour),
    ]


def day_weights(law: Params, weekend: tuple[int, ...]) -> Array:
    """Weight of each day, Monday first: float64, 7."""
    factor = [law.weekend_factor if day in weekend else 1.0 for day in range(1, 8)]
    weights: Array = np.array(law.day_weights, dtype=np.float64) * np.array(factor, dtype=np.float64)
    return weights


def day_profile(ctx: Context, shape: Params) -> Array:
    """Value of each hour of a day: float64, 24.

    Args:
        ctx: Context.
        shape: `floor` and `peaks` (minute, sigma, amp).
    """
    minutes = minute_profile(ctx, shape.floor, shape.peaks)
    hours = minutes.reshape(24, 60).sum(axis=1, dtype=np.uint64)
    mean: Array = hours.astype(np.float64) / np.float64(60 * 2.0**BITS)
    return mean


def minute_profile(ctx: Context, floor: float, peaks: tuple[Params, ...]) -> Array:
    """Value at the middle of each minute of a day in units of 2**-44: uint64, 1440.

    Args:
        ctx: Context.
        floor: What every minute has.
        peaks: `minute`, `sigma`, `amp` of each.
    """
    minute = np.arange(DAY_MINUTES, dtype=np.float64) + 0.5
    value = np.full(DAY_MINUTES, floor, dtype=np.float64)
    for peak in peaks:
        apart = np.abs(minute - peak.minute)
        apart = np.minimum(apart, DAY_MINUTES - apart)
        value += peak.amp * ctx.kernels.exp_map(x=apart * apart / (-2.0 * peak.sigma * peak.sigma))
    return fixed_point(value, BITS)


def _online_checks(ctx: Context, by_hour: Array) -> list[Check]:
    """Peak and quiet hour of each online class and channel; `by_hour` is int64 (classes, channels, 24)."""
    gate = ctx.params.realism_gates_5A.online
    results = []
    for label in gate.classes:
        for code, channel in enumerate(ctx.vocabulary("channel")):
            day = by_hour[ctx.code("demand_class", label), code]
            found = {"peak_hour": int(day.argmax()), "quiet_hour": int(day.argmin())}
            expected = {name: [gate[name]["from"], gate[name]["to"]] for name in found}
            passed = all(expected[name][0] <= hour <= expected[name][1] for name, hour in found.items())
            results.append(
                Check(f"hours of {label} {channel}", passed, found, expected, "local hours of the day")
            )
    return results


def _channels_differ(ctx: Context, by_hour: Array) -> Check:
    """Total variation distance between the two channels' weeks of each class, in permille of the week."""
    present, remote = (by_hour[:, ctx.code("channel", name)] for name in ("card_present", "card_not_present"))
    distance = np.abs(present - remote).sum(axis=1) * 500 // WEIGHT_TOTAL
    found = dict(zip(ctx.vocabulary("demand_class"), distance.tolist(), strict=True))
    least = ctx.params.realism_gates_5A.channel_distance_permille
    return Check(
        "channels differ",
        bool((distance >= least).all()),
        found,
        least,
        "permille of the week sold at other hours",
    )

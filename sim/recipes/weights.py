"""Exact weights: integers that sum to 2**40 in every group, and the proof that alias tables obey them."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.groups import run_of_row, sum_by_run
from sim.recipes.tables import AliasTables
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

WEIGHT_BITS = 40
WEIGHT_TOTAL = 1 << WEIGHT_BITS
_HALF = np.uint64(32)

EXACT_WEIGHTS_NEEDS = Needs(kernels=("remainder_quota",), uses=(LARGEST_REMAINDER_NEEDS,))
POWER_NEEDS = Needs(kernels=("exp_map", "log_map"))


def power(ctx: Context, base: Array, exponent: float) -> Array:
    """`base ** exponent` as exp(exponent * log(base)), float64, n, for base >= 0 (0 needs an exponent > 0).

    Args:
        ctx: Context.
        base: float64, n, not negative.
        exponent: Any finite number.
    """
    y: Array = ctx.kernels.exp_map(x=exponent * ctx.kernels.log_map(x=base))
    return y


def exact_weights(ctx: Context, raw: Array, offsets: Array) -> Array:
    """Weights in proportion to `raw` that sum to exactly 2**40 in each group, none of them 0.

    Every row gets one unit, the others are shared by largest remainder; so a weight is off its share by less
    than (rows + 1) * 2**-40.

    Args:
        ctx: Context.
        raw: uint64, n: positive sum in each group.
        offsets: uint64, g + 1: non-empty groups of adjacent rows, each of fewer than 2**40 rows.

    Returns:
        uint64, n.
    """
    free = np.uint64(WEIGHT_TOTAL) - np.diff(offsets)
    return largest_remainder(ctx, raw, offsets, free) + np.uint64(1)


def as_share(weight_q: Array) -> Array:
    """`weight_q` / 2**40: exact in float64."""
    return weight_q.astype(np.float64) / np.float64(WEIGHT_TOTAL)


def alias_deviation(ctx: Context, tables: AliasTables, weight: Array) -> int:
    """Largest difference between a slot's probability in an alias table and the share of its weight.

    Both are taken times size * 2**32: what the slot keeps plus what others give it, against floor(weight *
    size * 2**32 / total). Thresholds are cut to 32 bits, so a right table may be off by one unit for the slot
    and for each giver.

    Args:
        ctx: Context.
        tables: Tables made of `weight`, fewer than 2**31 rows each.
        weight: uint64, n.

    Returns:
        Largest |difference| less its allowance, in units; 0 or less when every table is right.
    """
    if len(weight) == 0:
        return 0
    group = run_of_row(tables.offsets)
    sizes = np.diff(tables.offsets)[group]
    asked, _ = ctx.kernels.remainder_quota(
        weight=weight, weight_total=sum_by_run(weight, tables.offsets)[group], units=sizes << _HALF
    )
    kept = (tables.threshold >> _HALF).astype(np.int64)
    taker = tables.offsets[:-1][group].astype(np.int64) + tables.alias.astype(np.int64)
    got = kept.copy()
    np.add.at(got, taker, np.int64(1 << 32) - kept)
    givers = np.bincount(taker, minlength=len(weight))
    return int((np.abs(got - asked.astype(np.int64)) - givers - 2).max())

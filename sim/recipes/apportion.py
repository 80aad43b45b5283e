"""Largest remainder: exact, order-free sharing of whole units in proportion to integer weights.

Hamilton's method (Balinski & Young, *Fair Representation*, 1982): each row gets floor(units * w / W); the
units left go one each to the rows with the largest remainders. Products are 128-bit; ties fall to the smaller
chance word, then the smaller row.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_of_row, sum_by_run
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

LARGEST_REMAINDER_NEEDS = Needs(kernels=("remainder_quota",))


def largest_remainder(
    ctx: Context, weight: Array, offsets: Array, units: Array, chance: Array | None = None
) -> Array:
    """Share `units[g]` among the rows of each group g.

    Args:
        ctx: Context.
        weight: uint64, n; each group's sum must be positive and fit 64 bits.
        offsets: uint64, g + 1: non-empty groups of adjacent rows.
        units: uint64, g.
        chance: uint64, n: words that break ties, or None where the row's position may.

    Returns:
        uint64, n: whole units; each group's sum equals its `units`.

    Raises:
        KernelFailure: `ZERO_TOTAL` if a group's weights are all zero.
    """
    if len(weight) == 0:
        return weight.astype(np.uint64)
    group = run_of_row(offsets)
    totals = sum_by_run(weight, offsets)
    quota: Array
    quota, remainder = ctx.kernels.remainder_quota(
        weight=weight, weight_total=totals[group], units=units[group]
    )
    left = units - sum_by_run(quota, offsets)
    words = chance if chance is not None else np.zeros(len(weight), dtype=np.uint64)
    order = np.lexsort((words, ~remainder, group))
    rank = np.arange(len(weight)) - offsets[:-1].astype(np.int64)[group]
    quota[order] += (rank < left[group].astype(np.int64)).astype(np.uint64)
    return quota


def fixed_point(values: Array, bits: int) -> Array:
    """Non-negative float64 values as uint64 floor(value * 2**bits), so that weights sum up exactly."""
    return np.floor(values * np.float64(2.0**bits)).astype(np.uint64)

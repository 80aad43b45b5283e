"""Samples with probability proportional to size."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

SYSTEMATIC_NEEDS = Needs(kernels=("bounded_integer",))


def systematic(ctx: Context, size: Array, many: int, word: Array) -> Array:
    """Systematic sample without replacement, each row with probability proportional to its size.

    Rows so large that their probability would exceed 1 are taken for certain, and the others share what is
    left; among these, points one interval apart from a random start pick the rows on which they fall (Madow
    1949; Cochran, *Sampling Techniques*, 9A.10). So the order of the rows stratifies the sample: neighbours
    are seldom taken together. All steps are whole numbers.

    Args:
        ctx: Context of a state that may call `bounded_integer`.
        size: uint64, n; the sum times `many` is below 2**63.
        many: Rows wanted; all rows with a size where there are no more.
        word: uint64, 1: the random start.

    Returns:
        bool, n: which rows are taken.
    """
    taken = np.zeros(len(size), dtype=np.bool_)
    pool = np.flatnonzero(size > 0)
    if many >= len(pool):
        taken[pool] = True
        return taken
    left = many
    while left:
        total = int(size[pool].sum())
        certain = size[pool] * np.uint64(left) >= np.uint64(total)
        if not certain.any():
            break
        taken[pool[certain]] = True
        left -= int(np.count_nonzero(certain))
        pool = pool[~certain]
    if left:
        start = ctx.kernels.bounded_integer(x=word, bound=np.array([total], dtype=np.uint64))
        points = start + np.arange(left, dtype=np.uint64) * np.uint64(total)
        upper = np.cumsum(size[pool] * np.uint64(left))
        taken[pool[np.searchsorted(upper, points, side="right")]] = True
    return taken

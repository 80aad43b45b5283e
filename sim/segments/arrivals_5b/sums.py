"""Exact sums of row figures over any number of partitions, and what an honest run may deviate."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import whole_sum
from sim.state.context import PartitionContext
from sim.state.counters import Counter
from sim.state.frames import Array

FIXED_BITS = 16


def add(ctx: PartitionContext, counter: Counter[int], words: Array) -> None:
    """Add uint64 or non-negative int64 row figures, exactly."""
    ctx.count(counter, whole_sum(words.astype(np.uint64)))


def add_real(ctx: PartitionContext, counter: Counter[int], values: Array) -> None:
    """Add non-negative float64 row figures as floor(value * 2**16).

    Each figure is split into halves before they become integers.

    A figure may be as large as 2**79 / rows: fourth moments of busy buckets do exceed 2**48.
    """
    scaled = np.floor(values * np.float64(1 << FIXED_BITS))
    high = np.floor(scaled * np.float64(2.0**-32))
    low = (scaled - high * np.float64(2.0**32)).astype(np.uint64)
    ctx.count(counter, (int(high.astype(np.uint64).sum()) << 32) + int(low.sum()))


def real(total: int) -> float:
    """What `add_real` added up to."""
    return total / (1 << FIXED_BITS)


def square_root(value: float) -> float:
    """IEEE square root of a non-negative number."""
    return float(np.sqrt(np.float64(value)))


def chi_square_limit(freedom: float, sigma: float) -> float:
    """Value a chi-square variable exceeds as rarely as a normal one exceeds `sigma` (Wilson & Hilferty 1931).

    With next to no freedom the formula falls below the variable itself, from where its cube root no longer
    grows. The limit stays what it is there: a variable with less freedom exceeds no value more often.
    """
    freedom = max(freedom, 8.0 / (9.0 * sigma * sigma))
    spread = 2.0 / (9.0 * freedom)
    root = 1.0 - spread + sigma * square_root(spread)
    return freedom * root * root * root


def paired_limit(freedom: float, sigma: float, scenarios: int) -> float:
    """`chi_square_limit` for a sum over scenarios that share their draws.

    At worst the sum is `scenarios` times one scenario's statistic.
    """
    return scenarios * chi_square_limit(freedom / scenarios, sigma)


def skewed_limit(freedom: float, sigma: float) -> float:
    """`chi_square_limit` for a standardised variable, in standard deviations.

    It is about `sigma` when `freedom` is large.

    A sum of independent terms with variances v and skewness at most sqrt(8) (that of one squared normal) has
    at most the skewness of a chi-square variable with `freedom` = (sum v)^3 / (sum v^1.5)^2 (Pearson type III
    approximation).
    """
    return (chi_square_limit(freedom, sigma) - freedom) / square_root(2.0 * freedom)


def freedom_of(variance: float, root_cubes: float) -> float:
    """`freedom` of `skewed_limit` from sum v and sum v^1.5."""
    return max(1.0, variance * variance * variance / (root_cubes * root_cubes)) if root_cubes > 0.0 else 1.0

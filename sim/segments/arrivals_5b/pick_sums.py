"""Whether picks follow their weights: chi-square over cells, and pairs that fell on the same place."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths, run_of_row, run_offsets, sum_by_run
from sim.segments.arrivals_5b.sums import add, add_real
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Each, Scalar
from sim.state.frames import Array

PICKS = ("places", "terminals", "busiest hours", "slots of the hour", "slots from opening on")


class ChiSquareCounts(Counters):
    """Chi-square of each kind of picks against its weights."""

    statistic = Each(PICKS, Scalar())
    freedom = Each(PICKS, Scalar())


class CollisionCounts(Counters):
    """Pairs of arrivals of one merchant, hour and key: those on the same place, all, and the expected."""

    same = Scalar()
    pairs = Scalar()
    expected = Scalar()
    variance = Scalar()
    root_cubes = Scalar()


def count_chi_square(
    ctx: PartitionContext, name: str, tally: Array, weight: Array, offsets: Array, least: float
) -> None:
    """Add Pearson's chi-square of each group's picks against its weights, and its degrees of freedom.

    Cells whose expectation is below `least` are pooled into one; if that is still below, the test is of the
    other cells given their total.

    Args:
        ctx: Context.
        name: Which of `PICKS`.
        tally: int64, p: picks of each cell.
        weight: uint64, p.
        offsets: uint64, g + 1: groups of cells, non-empty, with positive weight.
        least: Smallest expectation of a cell of its own.
    """
    group = run_of_row(offsets)
    picks, total = sum_by_run(tally, offsets).astype(np.float64), sum_by_run(weight, offsets)
    share = weight.astype(np.float64) / total.astype(np.float64)[group]
    big = picks[group] * share >= least
    big_tally = sum_by_run(np.where(big, tally, 0), offsets)
    big_weight = sum_by_run(np.where(big, weight, np.uint64(0)), offsets)
    rest_share = (total - big_weight).astype(np.float64) / total.astype(np.float64)
    pooled = picks * rest_share >= least
    drawn = np.where(pooled, picks, big_tally.astype(np.float64))
    mass = np.where(pooled, total, big_weight).astype(np.float64)
    mass = np.where(mass > 0.0, mass, 1.0)
    cells = sum_by_run(big.astype(np.int64), offsets) + pooled
    used = (cells >= 2) & (drawn > 0.0)
    single = big & used[group]
    expected = (drawn / mass)[group[single]] * weight[single].astype(np.float64)
    several = pooled & used
    rest = picks - big_tally.astype(np.float64)
    terms = (
        _terms(tally[single].astype(np.float64), expected),
        _terms(rest[several], (picks * rest_share)[several]),
    )
    add_real(ctx, ChiSquareCounts.statistic[name], np.concatenate(terms))
    ctx.count(ChiSquareCounts.freedom[name], int((cells[used] - 1).sum()))


def _terms(found: Array, expected: Array) -> Array:
    difference = found - expected
    terms: Array = difference * difference / expected
    return terms


def count_collisions(
    ctx: PartitionContext, picks: Array, bounds: Array, group: Array, weight: Array, offsets: Array
) -> None:
    """Add, over all rows (one merchant, hour, key), the pairs of a group's picks on the same member.

    Given n picks with probabilities p, the pairs have mean n(n-1)/2 S2 and variance n(n-1)/2 (S2 - S2^2) +
    n(n-1)(n-2) (S3 - S2^2), Sk = sum p^k: -log2(pairs / all pairs) estimates the collision entropy within a
    bucket.

    Args:
        ctx: Context.
        picks: uint64, m: count row << 32 | member; sorted here, in place.
        bounds: uint64: runs of `picks` whose rows do not mix.
        group: int64, p: group of each member.
        weight: uint64, p.
        offsets: uint64, g + 1: groups of members.
    """
    second, third = _power_sums(weight, offsets, group)
    ctx.sort_segments(picks, bounds)
    same = run_lengths(run_offsets(picks))
    ctx.count(CollisionCounts.same, int((same * (same - 1) // 2).sum()))
    drawn_from = group[(picks & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    runs = run_offsets(picks >> np.uint64(32), drawn_from)
    n = run_lengths(runs).astype(np.float64)
    of = drawn_from[runs[:-1].astype(np.int64)]
    pairs = 0.5 * n * (n - 1.0)
    s2, s3 = second[of], third[of]
    variance = pairs * np.maximum(s2 - s2 * s2, 0.0) + 2.0 * pairs * (n - 2.0) * np.maximum(s3 - s2 * s2, 0.0)
    ctx.count(CollisionCounts.pairs, int((n * (n - 1.0)).astype(np.int64).sum()) // 2)
    add_real(ctx, CollisionCounts.expected, pairs * s2)
    add_real(ctx, CollisionCounts.variance, variance)
    add(ctx, CollisionCounts.root_cubes, np.ceil(variance * np.sqrt(variance)).astype(np.uint64))


def _power_sums(weight: Array, offsets: Array, group: Array) -> tuple[Array, Array]:
    """Sum of p^2 and of p^3 of each group, float64, from exact sums of floor(p^k * 2**61)."""
    p = weight.astype(np.float64) / sum_by_run(weight, offsets).astype(np.float64)[group]
    unit = np.float64(1 << 61)
    square = np.floor(p * p * unit).astype(np.uint64)
    cube = np.floor(p * p * p * unit).astype(np.uint64)
    return tuple(sum_by_run(values, offsets).astype(np.float64) / unit for values in (square, cube))  # type: ignore[return-value]

"""Ids that say nothing: a column is as good as shuffled along the published ids of its rows.

Two figures of a column, over all rows, block by block and added up over the blocks of a partition:

* Neighbours: pairs of neighbours by id that hold the same value. Of a block of n rows, n_c of which hold c,
  chance expects sum(n_c ** 2) / n - 1 of them; the variance is that of the number of runs of several kinds
  (Mood 1940, Ann. Math. Statist. 11, 367-392; Barton & David 1957, Biometrika 44, 168-178).
* Order: of each value, the area under the curve of the id as its predictor: the share of pairs of a row that
  holds it and one that does not in which the first has the greater id (Mann & Whitney 1947). Chance expects
  1/2, with the variance n1 x n0 x (n + 1) / 12 of the number of such pairs.

How far from chance a figure may lie follows from the rows: `ALLOWED` standard deviations of the area, and for
neighbours Bernstein's bound at the same level, since few pairs are not normal. Where ids say nothing, either
is passed once in 10**9 figures. So a large table is held to far less than 0.50 +- 0.02, and a small one to
what it can bear.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from sim.ground.contract_types import Blind, Dataset
from sim.shell.tables.check_result import CheckResult
from sim.shell.tables.permuted import Blocks
from sim.state.frames import Array, Frame

ALLOWED = 6.5
"""Standard deviations of an area, beyond which lie 8e-11; areas of few rows have shorter tails."""
_LEVEL = log(2e9)
_JUMP = 2.0
"""Most by which moving one row changes the pairs on one side of it."""
_MOST = 255
"""Greater numbers of rows count as this one."""


@dataclass(frozen=True)
class _Tally:
    """Of each block and value: rows, and the sum of their ranks in the block from 1. Equal neighbours."""

    counts: Array
    ranks: Array
    pairs: int


def blind_name(rule: Blind, column: str) -> str:
    """Name of the check of one column of a rule."""
    return f"blind.{rule.id}.{column}"


def blind_names(dataset: Dataset) -> list[str]:
    """Names of the checks that a dataset's rules demand."""
    return [blind_name(rule, column) for rule in dataset.blind for column in rule.to]


def check_blind(frame: Frame, rule: Blind, blocks: Blocks) -> list[CheckResult]:
    """Whether an id says nothing of columns of its rows.

    Args:
        frame: A partition's published rows, sorted by the id where each row has its own.
        rule: Id and columns; the column `rows` is the number of rows that share the id.
        blocks: Blocks of the id's set.

    Returns:
        A check a column.
    """
    ids = frame[rule.id]
    results = []
    for name in rule.to:
        if name == "rows":
            low = ids.min() if len(ids) else np.uint64(0)
            shared = np.bincount((ids - low).astype(np.int64))
            held = np.flatnonzero(shared)
            numbers, values = held.astype(np.uint64) + low, np.minimum(shared[held], _MOST)
        else:
            numbers, values = ids, frame[name]
        results.append(_judged(blind_name(rule, name), len(frame), tally(numbers, values, blocks)))
    return results


def tally(numbers: Array, values: Array, blocks: Blocks) -> _Tally:
    """Count values and neighbours by block.

    Args:
        numbers: uint64, n, strictly increasing, all in blocks.
        values: Small whole numbers from 0, n.
        blocks: Blocks of the numbers' set.
    """
    block = blocks.of_numbers(numbers)
    kinds = int(values.max()) + 1 if len(values) else 1
    shape = (len(blocks.blocks), kinds)
    starts = np.searchsorted(block, np.arange(len(blocks.blocks)))
    rank = np.arange(len(block)) - starts[block] + 1
    cell = block * kinds + values
    counts = np.bincount(cell, minlength=shape[0] * kinds).reshape(shape)
    # below 2**53 for any partition that fits into memory, hence exact
    ranks = np.bincount(cell, weights=rank.astype(np.float64), minlength=shape[0] * kinds).reshape(shape)
    return _Tally(counts, ranks, int(np.count_nonzero(cell[1:] == cell[:-1])))


def neighbours_expected(counts: Array) -> tuple[float, float]:
    """Mean and variance of the number of equal neighbours, over all blocks.

    Args:
        counts: Whole numbers, blocks x values.
    """
    mean, variance = 0.0, 0.0
    for row in counts:
        n = int(row.sum())
        if n < 2:
            continue
        held = [int(count) for count in row if count]
        squares, cubes = sum(c**2 for c in held), sum(c**3 for c in held)
        mean += squares / n - 1
        variance += (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n * n * (n - 1))
    return mean, variance


def areas(found: _Tally) -> tuple[Array, Array]:
    """Area of each value and its standard deviation, float64; 1/2 and 0 where all rows hold it or none."""
    rows = found.counts.sum(axis=1, keepdims=True).astype(np.float64)
    have = found.counts.astype(np.float64)
    pairs = have * (rows - have)
    above = (found.ranks - have * (have + 1) / 2).sum(axis=0)
    # ranks count pairs among those that hold the value as well: these were taken off
    total = pairs.sum(axis=0)
    spread = np.sqrt((pairs * (rows + 1) / 12).sum(axis=0))
    some = np.maximum(total, 1)
    return np.where(total > 0, above / some, 0.5), np.where(total > 0, spread / some, 0.0)


def _judged(name: str, rows: int, found: _Tally) -> CheckResult:
    mean, variance = neighbours_expected(found.counts)
    most = _JUMP * _LEVEL / 3 + sqrt((_JUMP * _LEVEL / 3) ** 2 + 2 * variance * _LEVEL)
    area, spread = areas(found)
    off = np.abs(area - 0.5) - ALLOWED * spread
    worst = int(np.argmax(off))
    passed = abs(found.pairs - mean) <= most and bool(off[worst] <= 1e-12)
    return CheckResult(
        name,
        passed,
        rows,
        f"{found.pairs} equal neighbours, area {area[worst]:.4f} of value {worst}",
        f"{mean:.1f} +- {most:.1f}, 0.5 +- {ALLOWED * spread[worst]:.4f}",
    )

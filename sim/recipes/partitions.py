"""Partitions as row ranges of an input: a pure function of its rows, never of workers or memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sim.recipes.groups import run_starts
from sim.state.declaration import Partition
from sim.state.frames import Array


def whole_runs(keys: Array, target: int) -> list[Partition]:
    """Ranges of about `target` rows that never split a run of equal keys.

    At least one, empty for empty input.

    Args:
        keys: Sorted key column.
        target: Rows a partition; a run begins a new partition where its start passes a multiple of it.
    """
    starts = run_starts(keys)
    cuts = starts[run_starts(starts // target)] if len(starts) else np.zeros(1, dtype=np.int64)
    edges = [*cuts.tolist(), len(keys)]
    return row_runs(edges)


def row_ranges(rows: int, target: int) -> list[Partition]:
    """Ranges of `target` rows, the last one shorter; at least one."""
    count = max(1, -(-rows // target))
    return row_runs([index * target for index in range(count)] + [rows])


def row_runs(edges: Sequence[int]) -> list[Partition]:
    """A partition for the rows from each edge to the next."""
    return [
        Partition(index, spec={"rows": [first, stop]}, weight=stop - first)
        for index, (first, stop) in enumerate(pairwise(edges))
    ]


def rows_of(part: Partition) -> tuple[int, int]:
    """Half-open row range of a partition made here."""
    first, stop = part.spec["rows"]
    return int(first), int(stop)

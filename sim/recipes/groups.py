"""Runs of equal keys in sorted rows."""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array


def run_starts(*columns: Array) -> Array:
    """Start of each run of equal keys.

    Args:
        columns: Key columns of rows sorted so that equal keys are adjacent; equal lengths n.

    Returns:
        int64 array of run starts (empty for n = 0).
    """
    length = len(columns[0])
    if length == 0:
        return np.empty(0, dtype=np.int64)
    change = np.zeros(length, dtype=np.bool_)
    change[0] = True
    for column in columns:
        change[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(change)


def run_offsets(*columns: Array) -> Array:
    """Like `run_starts` with the total length appended: uint64, one longer than the number of runs."""
    starts = run_starts(*columns)
    return np.append(starts, len(columns[0])).astype(np.uint64)


def run_lengths(offsets: Array) -> Array:
    """Rows in each run, int64, from `run_offsets`."""
    ends = offsets.astype(np.int64)
    return ends[1:] - ends[:-1]


def run_of_row(offsets: Array) -> Array:
    """Index of the run each row belongs to, int64, from `run_offsets`."""
    return np.repeat(np.arange(len(offsets) - 1), run_lengths(offsets))


def sum_by_run(values: Array, offsets: Array) -> Array:
    """Exact integer sum of `values` (uint64 or int64) over each non-empty run, same dtype."""
    if values.dtype not in (np.uint64, np.int64):
        raise TypeError(f"cross-row sums are 64-bit integers only, got {values.dtype}")
    return np.add.reduceat(values, offsets[:-1].astype(np.int64)) if len(offsets) > 1 else values[:0]

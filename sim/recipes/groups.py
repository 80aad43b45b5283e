"""Runs of equal keys in sorted rows, and exact sums over them.

Every function takes columns of either memory, all of one, and answers in the same one (see
`sim/state/frames.py`).
"""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array, Frame


def run_starts(*columns: Array) -> Array:
    """Start of each run of equal keys.

    Args:
        columns: Key columns of rows sorted so that equal keys are adjacent; equal lengths n.

    Returns:
        int64 array of run starts (empty for n = 0).
    """
    change = np.ones_like(columns[0], dtype=np.bool_)
    if len(change):
        change[1:] = False
        for column in columns:
            change[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(change)


def run_offsets(*columns: Array) -> Array:
    """Like `run_starts` with the total length appended: uint64, one longer than the number of runs."""
    starts = run_starts(*columns)
    return np.append(starts, len(columns[0])).astype(np.uint64)


def grouped(frame: Frame, *names: str) -> tuple[Frame, Array]:
    """Rows in ascending order of the named columns (stable), and `run_offsets` of these."""
    ordered = frame.sort(*names)
    return ordered, run_offsets(*(ordered[name] for name in names))


def prefix(counts: Array) -> Array:
    """0 and the running totals of counts (whole numbers >= 0): uint64, one longer."""
    totals = np.zeros_like(counts, dtype=np.uint64, shape=len(counts) + 1)
    totals[1:] = np.cumsum(counts, dtype=np.uint64)
    return totals


def run_lengths(offsets: Array) -> Array:
    """Rows in each run, int64, from `run_offsets`."""
    ends = offsets.astype(np.int64)
    return ends[1:] - ends[:-1]


def run_of_row(offsets: Array) -> Array:
    """Index of the run each row belongs to, int64, from `run_offsets` or `prefix`."""
    if isinstance(offsets, np.ndarray):
        return np.repeat(np.arange(len(offsets) - 1), run_lengths(offsets))
    ends = offsets[1:].astype(np.int64)
    return np.searchsorted(ends, np.arange(int(offsets[-1]), like=ends), side="right")


def sum_by_run(values: Array, offsets: Array) -> Array:
    """Exact integer sum (modulo 2**64) of each run, 0 of an empty one.

    Args:
        values: uint64 or int64, n: floats are refused, since their sum depends on its order.
        offsets: uint64, g + 1, from 0 to n.

    Returns:
        g sums of the dtype of `values`.
    """
    if values.dtype not in (np.uint64, np.int64):
        raise TypeError(f"cross-row sums are 64-bit integers only, got {values.dtype}")
    bounds = offsets.astype(np.int64)
    starts, ends = bounds[:-1], bounds[1:]
    if not isinstance(values, np.ndarray):  # sums wrap around, and so do their differences
        running = np.zeros_like(values, shape=len(values) + 1)
        running[1:] = np.cumsum(values, dtype=values.dtype)
        return running[ends] - running[starts]
    some = ends > starts
    if some.all():
        return np.add.reduceat(values, starts) if len(starts) else values[:0]
    sums = np.zeros(len(starts), dtype=values.dtype)
    sums[some] = sum_by_run(values, np.append(starts[some], len(values)))
    return sums


def whole_sum(words: Array) -> int:
    """Sum of uint64 words, exact however large it is."""
    return (int((words >> np.uint64(32)).sum()) << 32) + int((words & np.uint64(0xFFFFFFFF)).sum())

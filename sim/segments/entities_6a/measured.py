"""Figures of a distribution over holders, from histograms of integers."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.state.frames import Array


def histogram(counts: Array, most: int) -> Array:
    """How many holders have 0, 1, 2 .. most.

    Those above, whom another check refuses, count as most: int64, most + 1.
    """
    table: Array = np.bincount(
        np.minimum(counts, most).astype(np.int64, copy=False), minlength=most + 1
    ).astype(np.int64)
    return table


def recount(holder: Array, kind: Array, shape: tuple[int, int]) -> Array:
    """Rows of each (holder, kind): uint16, holders x kinds.

    Args:
        holder: int64, n: rows of one holder and kind are adjacent (a stranger among them would show as a
            count too low).
        kind: n.
        shape: Holders and kinds.
    """
    key = holder * shape[1] + kind
    table = np.zeros_like(key, dtype=np.uint16, shape=shape[0] * shape[1])
    starts = run_starts(key)
    table[key[starts]] = np.diff(np.append(starts, len(key)))
    return table.reshape(shape)


def figures(table: Array) -> dict[str, int]:
    """Holders, mean in permille, median, 99th percentile and maximum of a histogram."""
    holders = int(table.sum())
    value = np.arange(len(table))
    running = np.cumsum(table)

    def quantile(permille: int) -> int:
        return int(np.searchsorted(running * 1000, holders * permille, side="left"))

    top = int(np.flatnonzero(table)[-1]) if holders else 0
    return {
        "holders": holders,
        "mean_permille": (int((table * value).sum()) * 1000 + holders // 2) // max(1, holders),
        "p50": quantile(500),
        "p99": quantile(990),
        "max": top,
    }

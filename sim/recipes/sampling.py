"""Comparing draws with the law they were drawn from; the allowance shrinks as the world grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.state.declaration import Check
from sim.state.frames import Array

FIXED_BITS = 20
"""Expectations and variances are summed over rows as integers, floor(value * 2**20)."""


def fixed(values: Array) -> Array:
    """Non-negative float64 as int64 floor(value * 2**20): the step from row figures to exact sums."""
    return np.floor(values * np.float64(1 << FIXED_BITS)).astype(np.int64)


def from_fixed(sums: Array) -> Array:
    """Sums of `fixed` figures as float64."""
    return sums.astype(np.float64) / np.float64(1 << FIXED_BITS)


def widest(figure: Array, allowed: Array) -> int:
    """Position of the figure that takes most of what it is allowed (float64, k): the one worth showing."""
    return int(np.argmax(figure / np.maximum(allowed, np.float64(1e-9))))


def sampling_check(
    name: str,
    labels: Sequence[str],
    found: Array,
    expected: Array,
    variance: Array,
    allowance: tuple[float, float],
    note: str,
) -> Check:
    """Counts against their law: |found - expected| <= sigmas * sqrt(variance) + slack, for every category.

    Args:
        name: Name of the check.
        labels: Name of each category.
        found: int64, k.
        expected: float64, k.
        variance: float64, k.
        allowance: Standard deviations, and whole units for small counts.
        note: One sentence for people.
    """
    sigmas, slack = allowance
    allowed = np.float64(sigmas) * np.sqrt(variance) + np.float64(slack)
    difference = np.abs(found.astype(np.float64) - expected)
    worst = widest(difference, allowed)
    figures = {
        "category": labels[worst],
        "found": int(found[worst]),
        "expected": float(expected[worst]),
        "categories": len(labels),
    }
    limit = {"difference_at_most": float(allowed[worst])}
    return Check(
        name, bool((difference <= allowed).all()), figures, limit, f"{note}; the widest category is shown"
    )


def multinomial_check(
    name: str, labels: Sequence[str], found: Array, weight: Array, allowance: tuple[float, float], note: str
) -> Check:
    """Counts of independent picks against integer weights (see `sampling_check`).

    Args:
        name: Name of the check.
        labels: Name of each category.
        found: int64, k: picks of each category.
        weight: uint64, k: with a positive sum.
        allowance: See `sampling_check`.
        note: One sentence for people.
    """
    share = weight.astype(np.float64) / np.float64(int(weight.sum()))
    expected = share * np.float64(int(found.sum()))
    return sampling_check(
        name, labels, found, expected, expected * (np.float64(1.0) - share), allowance, note
    )

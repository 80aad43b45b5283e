"""Weekend, night and peak-hour mass of a week's demand, in exact integers."""

from __future__ import annotations

import numpy as np

from sim.segments.intensity_5a.keys import HOURS
from sim.state.frames import Array

FIGURES = ("weekend", "night", "peak_hour")
NIGHT_HOURS = 6
PART = 1_000_000
"""Shares are in units of one part in this many; 10,000 units are one percentage point."""


def class_sums(values: Array, group: Array, groups: int) -> Array:
    """Sums of rows by group.

    Args:
        values: int64 (n, 168).
        group: Group of each row, below `groups`.
        groups: Number of groups.

    Returns:
        int64 (groups, 168).
    """
    sums = np.zeros((groups, HOURS), dtype=np.int64)
    np.add.at(sums, group, values)
    return sums


def shares(mass: Array, reference: Array, weekend: Array) -> Array:
    """Weekend, night and peak-hour share of each class in parts per million: int64 (classes, 3).

    Args:
        mass: int64 (classes, rules, 168): demand by class, weekend rule and hour of the week.
        reference: Like `mass`; its busiest hour of the day is the peak hour, for both sides of a comparison.
        weekend: bool (rules, 168): which hours are the weekend.
    """
    day = mass.reshape(*mass.shape[:2], 7, 24).sum(axis=(1, 2))
    peak = reference.reshape(*reference.shape[:2], 7, 24).sum(axis=(1, 2)).argmax(axis=1)
    parts = [
        np.where(weekend[None], mass, 0).sum(axis=(1, 2)),
        day[:, :NIGHT_HOURS].sum(axis=1),
        day[np.arange(len(day)), peak],
    ]
    total = np.maximum(day.sum(axis=1), 1)
    # Python integers: mass x 10**6 may pass 63 bits.
    return np.array(
        [
            [int(part) * PART // int(whole) for part, whole in zip(column, total, strict=True)]
            for column in parts
        ],
        dtype=np.int64,
    ).T


def weekend_hours(rules: list[tuple[int, ...]]) -> Array:
    """Which hours of the week are the weekend days (Monday = 1) of each rule: bool (rules, 168)."""
    day = np.arange(HOURS) // 24 + 1
    return np.array([np.isin(day, rule) for rule in rules])

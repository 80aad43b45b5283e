"""Partitions as runs of merchants' UTC days, from upstream counts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.groups import run_starts
from sim.shell.context import Context
from sim.shell.frames import Array


@dataclass(frozen=True)
class Days:
    """Merchant-days with arrivals, in order, as s3_count_summary_5B counts them.

    Attributes:
        merchant: uint64, n.
        first_of_merchant: int64, n: where the day's merchant begins.
        arrivals: int64, n + 1: arrivals before each day.
        rows: int64, n + 1: rows of s3_bucket_counts_5B before each day.
    """

    merchant: Array
    first_of_merchant: Array
    arrivals: Array
    rows: Array


def days_with_arrivals(ctx: Context, scenario: str | None) -> Days:
    """The merchant-days of a scenario that have arrivals."""
    table = ctx.load("s3_count_summary_5B", scenario=scenario, columns=("merchant_id", "arrivals", "stored_rows"))
    some = table.arrivals > 0
    merchant = table.merchant_id[some]
    starts = run_starts(merchant)
    first = np.repeat(starts, np.diff(np.append(starts, len(merchant))))
    return Days(merchant, first, _before(table.arrivals[some]), _before(table.stored_rows[some]))


def _before(counts: Array) -> Array:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts.astype(np.int64))])


def cut(days: Days, limit: int) -> list[int]:
    """Day numbers at which partitions begin, and the end: as many whole days as fit `limit` arrivals, at least one."""
    edges = [0]
    while edges[-1] < len(days.merchant):
        reach = int(np.searchsorted(days.arrivals, days.arrivals[edges[-1]] + limit, side="right")) - 1
        edges.append(max(reach, edges[-1] + 1))
    return edges


def spec_of(days: Days, first: int, stop: int, sources: Mapping[str, Array]) -> dict[str, Any]:
    """Which rows of each input the days [first, stop) need.

    Args:
        days: All days.
        first: First day.
        stop: Day after the last.
        sources: Sorted merchant_id column of each further input, by dataset id.

    Returns:
        rows of the counts, arrivals, number of the first arrival within its merchant, and a row range for each source.
    """
    before = int(days.arrivals[first] - days.arrivals[days.first_of_merchant[first]])
    low, high = days.merchant[first], days.merchant[stop - 1]
    return {
        "rows": [int(days.rows[first]), int(days.rows[stop])],
        "arrivals": int(days.arrivals[stop] - days.arrivals[first]),
        "first_seq": before + 1,
        **{
            name: [int(np.searchsorted(merchants, low, side="left")), int(np.searchsorted(merchants, high, side="right"))]
            for name, merchants in sources.items()
        },
    }


def merchants_of(ctx: Context, *datasets: str) -> dict[str, Array]:
    """Sorted merchant_id column of each scenario-free input."""
    return {name: ctx.load(name, columns=("merchant_id",)).merchant_id for name in datasets}

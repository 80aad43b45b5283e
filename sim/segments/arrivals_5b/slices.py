"""Partitions as runs of merchants' UTC days, from upstream counts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.groups import run_starts
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

_SUMMARY = "s3_count_summary_5B"

SLICES_NEEDS = Needs(reads={_SUMMARY: ROW_LEVEL})


@dataclass(frozen=True)
class Days:
    """Merchant-days with arrivals, in the order of s3_count_summary_5B.

    A day takes 16 bytes, because a large world has 10^8 of them.

    Attributes:
        merchants: uint64, m: merchants with arrivals, in order.
        first_days: int64, m: where each one's days begin.
        arrivals: int64, n + 1: arrivals before each day.
        rows: int64, n + 1: rows of s3_bucket_counts_5B before each day.
    """

    merchants: Array
    first_days: Array
    arrivals: Array
    rows: Array

    def __len__(self) -> int:
        """How many merchant-days there are."""
        return len(self.arrivals) - 1

    def merchant_of(self, day: int) -> int:
        """Place of a day's merchant among the merchants."""
        return int(np.searchsorted(self.first_days, day, side="right")) - 1


def days_with_arrivals(ctx: Context, scenario: str | None) -> Days:
    """The merchant-days of a scenario that have arrivals, summed up file by file."""
    files = ctx.files(_SUMMARY, scenario)
    most = sum(file.rows for file in files)
    arrivals, rows = np.zeros(most + 1, dtype=np.int64), np.zeros(most + 1, dtype=np.int64)
    merchants, first_days = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    days = 0
    for part in range(len(files)):
        table = ctx.load(
            _SUMMARY, scenario=scenario, part=part, columns=("merchant_id", "arrivals", "stored_rows")
        )
        some = table.arrivals > 0
        merchant = table.merchant_id[some]
        starts = run_starts(merchant)
        if len(merchant) and len(merchants[-1]) and merchants[-1][-1] == merchant[0]:
            starts = starts[1:]  # the merchant goes on from the file before
        if len(starts):
            merchants.append(merchant[starts])
            first_days.append(starts + days)
        after = days + len(merchant)
        for before, counts in ((arrivals, table.arrivals), (rows, table.stored_rows)):
            np.cumsum(counts[some].astype(np.int64), out=before[days + 1 : after + 1])
            before[days + 1 : after + 1] += before[days]
        days = after
    return Days(np.concatenate(merchants), np.concatenate(first_days), arrivals[: days + 1], rows[: days + 1])


def cut(days: Days, limit: int) -> list[int]:
    """Day numbers at which partitions begin, and the end.

    A partition has as many whole days as fit `limit` arrivals, at least one.
    """
    edges = [0]
    while edges[-1] < len(days):
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
        rows of the counts, arrivals, number of the first arrival within its merchant, and a row range for
        each source.
    """
    one, last = days.merchant_of(first), days.merchant_of(stop - 1)
    before = int(days.arrivals[first] - days.arrivals[days.first_days[one]])
    low, high = days.merchants[one], days.merchants[last]
    return {
        "rows": [int(days.rows[first]), int(days.rows[stop])],
        "arrivals": int(days.arrivals[stop] - days.arrivals[first]),
        "first_seq": before + 1,
        **{
            name: [
                int(np.searchsorted(merchants, low, side="left")),
                int(np.searchsorted(merchants, high, side="right")),
            ]
            for name, merchants in sources.items()
        },
    }


def merchants_of(ctx: Context, *datasets: str) -> dict[str, Array]:
    """Sorted merchant_id column of each scenario-free input."""
    return {name: ctx.load(name, columns=("merchant_id",)).merchant_id for name in datasets}

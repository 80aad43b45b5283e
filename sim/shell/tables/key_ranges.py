"""What each partition says about its keys, and what follows from that for the whole dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset, Invariant
from sim.ground.errors import EXAMPLE_LIMIT
from sim.shell.tables.check_result import CheckResult, value_at
from sim.shell.tables.invariants import invariant_name
from sim.shell.tables.keys import Neighbours, is_after
from sim.shell.tables.row_groups import KEY, groups_of
from sim.state.frames import Frame


def key_range(frame: Frame, dataset: Dataset, neighbours: Neighbours | None = None) -> dict[str, Any]:
    """JSON-able facts about a partition's keys; `neighbours` as in `check_frame`.

    Returns:
        `rows`; and unless there are none: `first`, `last` (sort keys of the first and last row, in
        `sort_order`), `first_primary`, `last_primary` (their primary keys), `primary_increasing` (primary
        keys strictly increase row by row). Where row groups follow a column: `row_groups` (each value with
        its rows), `least_primary`, `most_primary` (the primary keys between which all lie). Integers,
        categories as codes, times as microseconds; null is None.
    """
    rows = len(frame)
    if rows == 0:
        return {"rows": 0}
    spans: dict[str, Any] = {}
    if dataset.row_groups is not None:
        least, most = _span(frame, dataset.primary_key)
        spans = {KEY: groups_of(frame, dataset.row_groups), "least_primary": least, "most_primary": most}
    before, equal = (neighbours or Neighbours(frame)).compared(dataset.primary_key)
    return {
        "rows": rows,
        "first": _key(frame, dataset.sort_order, 0),
        "last": _key(frame, dataset.sort_order, rows - 1),
        "first_primary": _key(frame, dataset.primary_key, 0),
        "last_primary": _key(frame, dataset.primary_key, rows - 1),
        "primary_increasing": not (before.any() or equal.any()),
        **spans,
    }


def _span(frame: Frame, names: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """The least and the greatest key of a frame."""
    ends = []
    for greatest in (False, True):
        rows = np.arange(len(frame))
        for name in names:  # of those with the extreme value so far, the ones with that of the next column
            values = frame[name][rows]
            rows = rows[values == (values.max() if greatest else values.min())]
        ends.append(_key(frame, names, int(rows[0])))
    return ends[0], ends[1]


def check_key_ranges(ranges: Sequence[Mapping[str, Any]], dataset: Dataset) -> list[CheckResult]:
    """Order, uniqueness and numbering across the partitions of one dataset.

    Args:
        ranges: `key_range` of every partition, in file order. Each partition must have passed `check_frame`.
        dataset: Its contract.

    Returns:
        `seam.sort_order`, `seam.primary_key`, and `seam.contiguous.<column>` for each such invariant.
    """
    filled = [(number, part) for number, part in enumerate(ranges) if part["rows"]]
    seams = list(pairwise(filled))
    last, first = ("last", "first") if dataset.row_groups is None else ("most_primary", "least_primary")
    unordered = [_seam(a, b, last, first) for a, b in seams if is_after(a[1][last], b[1][first])]
    results = [
        _result(
            "seam.sort_order",
            ranges,
            unordered,
            "each partition begins where the one before it ended, or later"
            if dataset.row_groups is None
            else "primary keys of each partition come after those of the one before it",
        )
    ]
    results.append(
        _result(
            "seam.primary_key",
            ranges,
            _unproven(dataset, filled, seams),
            "keys of different partitions differ",
        )
    )
    for invariant in dataset.invariants:
        if invariant.kind == "contiguous":
            text = (
                f"{invariant.params['column']} counts on from {invariant.params['start']} across partitions"
            )
            results.append(
                _result(
                    f"seam.{invariant_name(invariant)}", ranges, _breaks(dataset, invariant, filled), text
                )
            )
    return results


Part = tuple[int, Mapping[str, Any]]


def _unproven(dataset: Dataset, filled: Sequence[Part], seams: Sequence[tuple[Part, Part]]) -> list[str]:
    """Seams at which two partitions might share a primary key."""
    if dataset.row_groups is not None:  # each partition has keys of all groups: their spans are apart
        return [
            _seam(a, b, "most_primary", "least_primary")
            for a, b in seams
            if not is_after(b[1]["least_primary"], a[1]["most_primary"])
        ]
    if all(part["primary_increasing"] for _, part in filled):
        strict = [not is_after(b[1]["first_primary"], a[1]["last_primary"]) for a, b in seams]
        if not any(strict):
            return []
    width = 0
    while width < len(dataset.sort_order) and dataset.sort_order[width] in dataset.primary_key:
        width += 1
    # Partitions that share no value of the sorted part of the key share no key.
    return [
        _seam(a, b, "last", "first")
        for a, b in seams
        if not is_after(b[1]["first"][:width], a[1]["last"][:width])
    ]


def _breaks(dataset: Dataset, invariant: Invariant, filled: Sequence[Part]) -> list[str]:
    column, within, start = (
        invariant.params["column"],
        invariant.params["within"],
        int(invariant.params["start"]),
    )
    broken: list[str] = []
    before: dict[str, Any] | None = None
    for number, part in filled:
        first = dict(zip(dataset.sort_order, part["first"], strict=True))
        goes_on = before is not None and all(before[name] == first[name] for name in within)
        expected = int(before[column]) + 1 if before is not None and goes_on else start
        if first[column] != expected:
            broken.append(f"partition {number} begins with {column}={first[column]}, not {expected}")
        before = dict(zip(dataset.sort_order, part["last"], strict=True))
    return broken


def _result(name: str, ranges: Sequence[Mapping[str, Any]], bad: list[str], expected: str) -> CheckResult:
    rows = sum(int(part["rows"]) for part in ranges)
    found = f"{len(bad)} of {max(len(ranges) - 1, 0)} seams" if bad else f"{len(ranges)} partitions"
    return CheckResult(name, not bad, rows, found, expected, tuple(bad[:EXAMPLE_LIMIT]))


def _seam(a: Part, b: Part, last: str, first: str) -> str:
    return f"partition {a[0]} ends at {tuple(a[1][last])}, partition {b[0]} begins at {tuple(b[1][first])}"


def _key(frame: Frame, names: Sequence[str], row: int) -> list[Any]:
    return [
        int(value) if isinstance(value, bool) else value
        for value in (value_at(frame, name, row) for name in names)
    ]

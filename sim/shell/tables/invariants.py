"""The closed set of invariants a dataset dictionary may state, checked over all rows with exact integers.

    contiguous           within each group, in file order, `column` counts start, start + 1, ...
    exactly_one_present  of `columns`, exactly one is not null
    sums_to              within each group, `column` sums to `total` (128-bit exact)
    at_least             `column` >= `other` wherever both are present

Groups are runs of rows with equal `within` columns: the sort order keeps them together (proven by `lint.py`).
A group of `contiguous` may go on in the next partition; a group of `sums_to` must lie in one partition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset, Invariant
from sim.shell.tables.check_result import CheckResult, examples, failed, passed
from sim.shell.tables.digest import zero_nulls
from sim.shell.tables.keys import Neighbours
from sim.state.frames import Frame

_LOW = 0xFFFFFFFF
_BLOCK = 1 << 16


def invariant_name(invariant: Invariant) -> str:
    """Stable name of an invariant's check."""
    subject = invariant.params.get("column") or "-".join(invariant.params.get("columns", ()))
    return f"{invariant.kind}.{subject}"


def check_invariant(
    frame: Frame,
    dataset: Dataset,
    invariant: Invariant,
    previous_key: tuple[Any, ...] | None,
    neighbours: Neighbours | None = None,
) -> CheckResult:
    """One invariant over one partition; `previous_key` and `neighbours` as in `check_frame`."""
    if len(frame) == 0:
        return passed(invariant_name(invariant), frame)
    neighbours = neighbours or Neighbours(frame)
    if invariant.kind == "contiguous":
        return _contiguous(frame, dataset, invariant, previous_key, neighbours)
    if invariant.kind == "exactly_one_present":
        return _exactly_one_present(frame, dataset, invariant)
    if invariant.kind == "sums_to":
        return _sums_to(frame, dataset, invariant, neighbours)
    if invariant.kind == "at_least":
        return _at_least(frame, dataset, invariant)
    raise ValueError(f"unknown kind of invariant {invariant.kind!r}")


def _contiguous(
    frame: Frame,
    dataset: Dataset,
    invariant: Invariant,
    previous_key: tuple[Any, ...] | None,
    neighbours: Neighbours,
) -> CheckResult:
    column, within, start = (
        invariant.params["column"],
        tuple(invariant.params["within"]),
        int(invariant.params["start"]),
    )
    values = frame[column]
    starts = neighbours.starts(within)
    bad = np.zeros(len(values), dtype=np.bool_)
    # Differences wrap: the least value of the type is one more than the greatest, and no predecessor of its
    # own fits before it.
    least = np.iinfo(values.dtype).min
    for first in range(1, len(values), _BLOCK):
        here, before = (
            values[first : first + _BLOCK],
            values[first - 1 : first - 1 + _BLOCK][: len(values) - first],
        )
        bad[first : first + _BLOCK] = (here - before != 1) | (here == least)
    bad[starts] = values[starts] != start
    expected = f"{start}, {start + 1}, ... within " + ", ".join(within)
    if previous_key is not None:
        bad[0] = bool(previous_key) and int(values[0]) != _first_expected(
            frame, dataset, column, within, start, previous_key
        )
    if not bad.any():
        return passed(invariant_name(invariant), frame, "", expected)
    return failed(invariant_name(invariant), frame, dataset, bad, expected, *within, column)


def _first_expected(
    frame: Frame,
    dataset: Dataset,
    column: str,
    within: tuple[str, ...],
    start: int,
    previous_key: tuple[Any, ...],
) -> int:
    """Number the first row must carry, given the sort key of the row before the partition."""
    before = dict(zip(dataset.sort_order, previous_key, strict=True))
    goes_on = all(before[name] == frame[name][0].item() for name in within)
    return int(before[column]) + 1 if goes_on else start


def _exactly_one_present(frame: Frame, dataset: Dataset, invariant: Invariant) -> CheckResult:
    names = tuple(invariant.params["columns"])
    none, bad = np.ones(len(frame), dtype=np.bool_), np.zeros(len(frame), dtype=np.bool_)
    for name in names:
        mask = frame.valid.get(name)
        # A second one is too many, and in the end none at all is too few.
        bad |= ~none if mask is None else mask > none
        none &= False if mask is None else ~mask
    bad |= none
    expected = "exactly one of " + ", ".join(names)
    if not bad.any():
        return passed(invariant_name(invariant), frame, "", expected)
    return failed(invariant_name(invariant), frame, dataset, bad, expected, *names)


def _sums_to(frame: Frame, dataset: Dataset, invariant: Invariant, neighbours: Neighbours) -> CheckResult:
    column, within, total = (
        invariant.params["column"],
        tuple(invariant.params["within"]),
        int(invariant.params["total"]),
    )
    values = zero_nulls(frame[column], frame.valid.get(column))
    wide = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    starts = neighbours.starts(within)
    # Halves of 32 bits sum exactly for up to 2**31 rows a group; the low sums then carry into the high ones.
    low = np.add.reduceat((wide & wide.dtype.type(_LOW)).astype(np.int64), starts)
    high = np.add.reduceat((wide >> wide.dtype.type(32)).astype(np.int64), starts) + (low >> np.int64(32))
    bad = np.flatnonzero((high != total >> 32) | ((low & np.int64(_LOW)) != total & _LOW))
    expected = f"{total} within " + ", ".join(within)
    if len(bad) == 0:
        return passed(invariant_name(invariant), frame, "", expected)
    sums = [(int(high[group]) << 32) + (int(low[group]) & _LOW) for group in bad[:5]]
    rows = examples(frame, within, starts[bad])
    shown = tuple(f"{text}: sum {value}" for text, value in zip(rows, sums, strict=True))
    return CheckResult(
        invariant_name(invariant), False, len(frame), f"{len(bad)} of {len(starts)} groups", expected, shown
    )


def _at_least(frame: Frame, dataset: Dataset, invariant: Invariant) -> CheckResult:
    column, other = invariant.params["column"], invariant.params["other"]
    # NumPy compares int64 with uint64 by value; only integers and equal types get here (lint).
    bad = frame[column] < frame[other]
    for name in (column, other):
        mask = frame.valid.get(name)
        if mask is not None:
            bad &= mask
    expected = f"{column} >= {other}"
    if not bad.any():
        return passed(invariant_name(invariant), frame, "", expected)
    return failed(invariant_name(invariant), frame, dataset, bad, expected, column, other)

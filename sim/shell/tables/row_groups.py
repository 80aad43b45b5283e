"""Row groups that follow a column, one a value: a reader of some values reads no others.

A dataset with `row_groups: COLUMN` is sorted by that column first. A file begins a row group where its value
changes, and at 1,048,576 rows. The manifest says value -> rows of each file, and a footer must say the same.
Why: `contracts/decisions/0013-row-groups.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.ground.contract_types import MOST_GROUPS, Dataset
from sim.ground.errors import GateError
from sim.state.frames import Array, Frame
from sim.state.records import PartFile

ROW_GROUP_ROWS = 1_048_576
"""Most rows of a row group of ours."""
KEY = "row_groups"
"""Key of a file's [value, rows] among what its manifest says of its keys."""


def groups_of(frame: Frame, column: str) -> list[list[int]]:
    """[value, rows] of each run of equal values of a column, in the order of the rows."""
    values = frame[column]
    if len(values) == 0:
        return []
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    rows = np.diff(np.append(starts, len(values)))
    return [[int(value), int(count)] for value, count in zip(values[starts], rows, strict=True)]


def pieces_of(rows: Sequence[int]) -> list[int]:
    """Rows of the row groups of a file whose values have so many rows each."""
    return [min(ROW_GROUP_ROWS, count - start) for count in rows for start in range(0, count, ROW_GROUP_ROWS)]


def recorded_groups(where: str, part: PartFile) -> list[tuple[int, int]] | None:
    """(value, rows) of a file as its manifest says, or None where it says nothing.

    Args:
        where: The file's path or URL.
        part: Its manifest entry.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: values do not ascend, or rows are not the file's.
    """
    said: Any = part.keys.get(KEY)
    if said is None:
        return None
    whole = isinstance(said, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(figure) is int for figure in pair)
        for pair in said
    )
    found = [(value, rows) for value, rows in said] if whole else []
    values = [value for value, _ in found]
    if (
        not whole
        or any(rows < 1 for _, rows in found)
        or sum(rows for _, rows in found) != part.rows
        or values != sorted(set(values))
        or (values and not 0 <= values[0] <= values[-1] < MOST_GROUPS)
    ):
        raise wrong(where, str(said)[:200], f"ascending values with their rows, {part.rows} together")
    return found


def require_recorded(where: str, part: PartFile, dataset: Dataset) -> list[tuple[int, int]]:
    """As `recorded_groups`, of a dataset that has them.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: and where the manifest says nothing.
    """
    found = recorded_groups(where, part) if part.rows else []
    if found is None:
        raise wrong(where, "a manifest that does not say them", f"rows by {dataset.row_groups}")
    return found


def chosen(groups: Sequence[tuple[int, int]], low: int, high: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Row groups of a file that hold the values in [low, high), and (value, rows) of these."""
    numbers: list[int] = []
    found, at = [], 0
    for value, rows in groups:
        count = -(-rows // ROW_GROUP_ROWS)
        if low <= value < high:
            numbers += range(at, at + count)
            found.append((value, rows))
        at += count
    return numbers, found


def require_values(where: str, values: Array, groups: Sequence[tuple[int, int]]) -> None:
    """The rows read must be of the values that the manifest says, in its order.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`.
    """
    wanted = np.repeat([value for value, _ in groups], [rows for _, rows in groups])
    if len(values) != len(wanted) or (values != wanted.astype(values.dtype)).any():
        text = "rows of other values, or as many as its manifest does not say"
        raise wrong(where, text, f"values and rows {groups[:5]} and so on")


def rows_by_value(files: Sequence[Sequence[tuple[int, int]]]) -> Array:
    """Rows of each value over files: uint64, from value 0 to the greatest."""
    found = np.zeros(max((group[-1][0] + 1 for group in files if group), default=0), dtype=np.uint64)
    for group in files:
        for value, rows in group:
            found[value] += np.uint64(rows)
    return found


def wrong(where: str, found: str, expected: str) -> GateError:
    """The refusal of a file whose row groups are not those of its manifest."""
    return GateError(
        "SHELL.PUBLISHED_FILE_INVALID",
        "a published file has other row groups than its manifest says",
        found,
        expected,
        where,
        "restore the file from a copy, or build the run again with another --out",
    )

"""Membership of foreign keys, over all rows: sorted search on exact codes, no sampling, no hashing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.shell.check_result import CheckResult, examples
from sim.shell.contract_types import ForeignKey
from sim.shell.frames import Array, Frame
from sim.shell.keys import compare_rows

# Integer keys that lie this densely are looked up in a table of flags instead of searched for.
_DENSE = 16
_MAX_TABLE = 1 << 28


@dataclass(frozen=True)
class _Level:
    """One more key column: its distinct values, and the distinct (code so far, value) pairs as packed codes."""

    values: Array
    pairs: Array
    flags: Array | None


class KeyIndex:
    """The keys of a referenced table, prepared once and asked for every partition.

    Args:
        frame: The referenced table (or just its key columns).
        to: Its key columns.
    """

    def __init__(self, frame: Frame, to: Sequence[str]) -> None:
        self.to = tuple(to)
        self.dtypes = tuple(frame[name].dtype for name in to)
        self._levels: list[_Level] = []
        present = _present(frame, to)
        columns = [frame[name] if present is None else frame[name][present] for name in to]
        code = np.zeros(len(columns[0]), dtype=np.int64)
        for column in columns:
            values = _distinct(column)
            # Codes are below the number of referenced rows, so a packed pair stays below its square.
            packed = code * np.int64(len(values)) + np.searchsorted(values, column).astype(np.int64)
            pairs = _distinct(packed)
            code = np.searchsorted(pairs, packed).astype(np.int64)
            self._levels.append(_Level(values, pairs, _flags(values)))

    def contains(self, columns: Sequence[Array]) -> Array:
        """Whether each row's key occurs in the referenced table; bool, one a row."""
        rows = len(columns[0])
        code = np.zeros(rows, dtype=np.int64)
        known = np.ones(rows, dtype=np.bool_)
        for number, (level, column) in enumerate(zip(self._levels, columns, strict=True)):
            if len(level.values) == 0:
                return np.zeros(rows, dtype=np.bool_)
            if level.flags is not None and len(self._levels) == 1:
                return _flagged(level, column)
            place = _search(level.values, column)
            known &= level.values[place] == column
            if number == 0:
                code = place  # the pairs of the first level are the values themselves
                continue
            packed = code * np.int64(len(level.values)) + place
            code = _search(level.pairs, packed)
            known &= level.pairs[code] == packed
        return known


def check_foreign_key(frame: Frame, fk: ForeignKey, referenced: Frame | KeyIndex) -> CheckResult:
    """Every row's key must name a row of the referenced table; rows in which part of the key is null name none and pass.

    Args:
        frame: The partition whose rows refer.
        fk: The foreign key.
        referenced: The referenced table, or a `KeyIndex` of it when several partitions are checked.
    """
    name = "foreign_key." + "-".join(fk.columns)
    index = referenced if isinstance(referenced, KeyIndex) else KeyIndex(referenced, fk.to)
    expected = f"rows of {fk.dataset} by " + ", ".join(fk.to)
    columns = [frame[column] for column in fk.columns]
    for column, values, dtype in zip(fk.columns, columns, index.dtypes, strict=True):
        if values.dtype != dtype and not (values.dtype.kind in "OU" and dtype.kind in "OU"):
            return CheckResult(name, False, len(frame), f"{column} of dtype {values.dtype}", f"{dtype}, as in {fk.dataset}")
    if len(frame) == 0:
        return CheckResult(name, True, 0, "no rows", expected)
    present = _present(frame, fk.columns)
    rows = np.arange(len(frame)) if present is None else np.flatnonzero(present)
    columns = columns if present is None else [column[rows] for column in columns]
    # Tables sorted by the key repeat it in runs; one look-up a run is enough.
    starts = _runs(columns)
    known = index.contains([column[starts] for column in columns] if starts is not None else columns)
    if known.all():
        return CheckResult(name, True, len(frame), f"{len(rows)} keys", expected)
    if starts is not None:
        known = np.repeat(known, np.diff(np.append(starts, len(rows))))
    missing = rows[~known]
    return CheckResult(name, False, len(frame), f"{len(missing)} keys without a row", expected, examples(frame, fk.columns, missing))


def _present(frame: Frame, names: Sequence[str]) -> Array | None:
    """Rows in which every named column is present, or None when that is all of them."""
    masks = [frame.valid[name] for name in names if name in frame.valid and not frame.valid[name].all()]
    return np.logical_and.reduce(masks) if masks else None


def _runs(columns: Sequence[Array]) -> Array | None:
    """First row of each run of equal keys, or None when runs are too short to be worth it."""
    _, equal = compare_rows(columns)
    if 2 * int(np.count_nonzero(equal)) < len(equal):
        return None
    return np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(~equal) + 1]) if len(columns[0]) else None


def _distinct(column: Array) -> Array:
    """Distinct values, ascending; a table sorted by its key is not sorted again."""
    if len(column) == 0 or (column[1:] > column[:-1]).all():
        return column
    return np.unique(column)


def _flags(values: Array) -> Array | None:
    """A table of flags over [min, max] where integer values are dense, else None."""
    if len(values) == 0 or values.dtype.kind not in "ui":
        return None
    span = int(values[-1]) - int(values[0]) + 1
    if span > min(_MAX_TABLE, max(_DENSE * len(values), 1 << 16)):
        return None
    flags = np.zeros(span, dtype=np.bool_)
    flags[(values - values[0]).astype(np.int64)] = True
    return flags


def _flagged(level: _Level, column: Array) -> Array:
    assert level.flags is not None  # the caller looked
    low, high = level.values[0], level.values[-1]
    inside = (column >= low) & (column <= high)
    if inside.all():
        known: Array = level.flags[(column - low).astype(np.int64)]
        return known
    known = np.zeros(len(column), dtype=np.bool_)
    known[inside] = level.flags[(column[inside] - low).astype(np.int64)]
    return known


def _search(values: Array, column: Array) -> Array:
    """Position of the first value not below each element, kept inside the array."""
    place: Array = np.searchsorted(values, column)
    np.minimum(place, len(values) - 1, out=place)
    return place

"""Membership of foreign keys, over all rows: exact look-ups, no sampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.ground.contract_types import ForeignKey
from sim.shell.tables.check_result import CheckResult, examples
from sim.shell.tables.keys import Neighbours, group_starts
from sim.state.frames import Array, Frame

_BLOCK = 1 << 16
_LONGEST = 24


class _Values:
    """Distinct ascending values and where to find them.

    Integers are found by their leading bits: ids are spread evenly (or lie densely), so a table of 2 to 4
    times as many buckets as values leaves a few values a bucket, and a look-up is two or three gathers
    instead of a binary search. Anything else, and integers that crowd into few buckets, are searched for. Ids
    without a gap are their own index and need no table at all.
    """

    def __init__(self, values: Array) -> None:
        self.values = values
        self._starts: Array | None = None
        self._dense = False
        if len(values) == 0 or values.dtype.kind not in "ui":
            return
        self._low = np.uint64(int(values[0]) % (1 << 64))
        self._dense = int(values[-1]) - int(values[0]) + 1 == len(values)
        if self._dense:
            return
        offsets = self._offsets(values)
        span = int(offsets[-1])
        self._shift = np.uint64(max(0, span.bit_length() - len(values).bit_length() - 1))
        counts = np.bincount((offsets >> self._shift).astype(np.int64))
        self._longest = int(counts.max())
        if self._longest <= _LONGEST:
            self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)

    def _offsets(self, column: Array) -> Array:
        """Distance from the least value as uint64.

        Two's complement makes it right for signed values, and huge for smaller ones.
        """
        return column.astype(np.uint64, copy=False) - self._low

    def holds(self, column: Array) -> Array:
        """Whether each element is one of the values, bool."""
        if self._dense:
            return self._offsets(column) < np.uint64(len(self.values))
        known: Array = self.values[self.find(column)] == column
        return known

    def find(self, column: Array) -> Array:
        """A position for each element, int64: where it is among the values, or any valid one if it is not."""
        last = len(self.values) - 1
        if self._dense:
            return np.minimum(self._offsets(column), np.uint64(last)).astype(np.int64)
        if self._starts is None:
            place: Array = np.searchsorted(self.values, column)
            return np.minimum(place, last, out=place)
        bucket = self._offsets(column) >> self._shift
        place = self._starts[np.minimum(bucket, np.uint64(len(self._starts) - 1)).astype(np.int64)]
        np.minimum(place, last, out=place)
        todo = np.flatnonzero(self.values[place] != column)
        for _ in range(self._longest - 1):
            if len(todo) == 0:
                break
            step = np.minimum(place[todo] + 1, last)
            place[todo] = step
            todo = todo[self.values[step] != column[todo]]
        return place


class KeyIndex:
    """The keys of a referenced table, prepared once and used for every partition.

    Args:
        frame: The referenced table (or just its key columns).
        to: Its key columns.
    """

    def __init__(self, frame: Frame, to: Sequence[str]) -> None:
        self.to = tuple(to)
        self.dtypes = tuple(frame[name].dtype for name in to)
        # Each level: the distinct values of one more column, and the distinct (code so far, value) pairs as
        # packed codes.
        self._levels: list[tuple[_Values, _Values]] = []
        # If the first column alone identifies every row: its values, and the other columns beside it. Pairs
        # would take far more memory.
        self._first: tuple[_Values, tuple[Array, ...]] | None = None
        present = _present(frame, to)
        columns = [frame[name] if present is None else frame[name][present] for name in to]
        if len(columns) > 1 and len(columns[0]) and len(distinct := _distinct(columns[0])) == len(columns[0]):
            order = None if distinct is columns[0] else np.argsort(columns[0])
            self._first = (
                _Values(distinct),
                tuple(column if order is None else column[order] for column in columns[1:]),
            )
            return
        code = np.zeros(len(columns[0]), dtype=np.int64)
        for number, column in enumerate(columns):
            values = _Values(_distinct(column))
            if len(columns) == 1:
                self._levels.append((values, values))
                return
            # Codes are below the number of referenced rows, so a packed pair stays below its square.
            packed = code * np.int64(len(values.values)) + (values.find(column) if len(column) else 0)
            pairs = values if number == 0 else _Values(_distinct(packed))
            code = packed if number == 0 else pairs.find(packed) if len(packed) else packed
            self._levels.append((values, pairs))

    def missing(self, columns: Sequence[Array], starts: Array | None = None) -> Array:
        """Rows (ascending, int64) whose key does not occur in the referenced table.

        Tables sorted by the key repeat it in runs: where they do, one look-up a run is enough.

        Args:
            columns: The rows' keys.
            starts: `group_starts` of them, if they are known.
        """
        starts = group_starts(columns) if starts is None else starts
        if 2 * len(starts) > len(columns[0]):
            return self._strange(columns)
        runs = self._strange([column[starts] for column in columns])
        if len(runs) == 0:
            return runs
        stops = np.append(starts[1:], len(columns[0]))
        return np.concatenate([np.arange(starts[run], stops[run]) for run in runs])

    def _strange(self, columns: Sequence[Array]) -> Array:
        """Positions whose key is not known, block by block: temporaries stay in cache."""
        found = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(columns[0]), _BLOCK):
            found.append(
                np.flatnonzero(~self._contains([column[start : start + _BLOCK] for column in columns]))
                + start
            )
        return np.concatenate(found)

    def _contains(self, columns: Sequence[Array]) -> Array:
        if self._first is not None:
            ids, others = self._first
            row = ids.find(columns[0])
            same: Array = ids.values[row] == columns[0]
            for beside, column in zip(others, columns[1:], strict=True):
                same &= beside[row] == column
            return same
        code: Array | None = None
        known: Array = np.ones(len(columns[0]), dtype=np.bool_)
        if len(self._levels[0][0].values) == 0:
            return ~known
        if len(columns) == 1:
            return self._levels[0][0].holds(columns[0])
        for (values, pairs), column in zip(self._levels, columns, strict=True):
            place = values.find(column)
            known &= values.values[place] == column
            if code is None:
                code = place
                continue
            packed = code * np.int64(len(values.values)) + place
            code = pairs.find(packed)
            known &= pairs.values[code] == packed
        return known


def check_foreign_key(
    frame: Frame, fk: ForeignKey, referenced: Frame | KeyIndex, neighbours: Neighbours | None = None
) -> CheckResult:
    """Every row's key must name a row of the referenced table.

    Rows in which part of the key is null name none and pass.

    Args:
        frame: The partition whose rows refer.
        fk: The foreign key.
        referenced: The referenced table, or a `KeyIndex` of it when several partitions are checked.
        neighbours: Of this frame, if others ask it too.
    """
    name = "foreign_key." + "-".join(fk.columns)
    index = referenced if isinstance(referenced, KeyIndex) else KeyIndex(referenced, fk.to)
    expected = f"rows of {fk.dataset} by " + ", ".join(fk.to)
    columns = [frame[column] for column in fk.columns]
    for column, values, dtype in zip(fk.columns, columns, index.dtypes, strict=True):
        if values.dtype != dtype and not (values.dtype.kind in "OU" and dtype.kind in "OU"):
            return CheckResult(
                name, False, len(frame), f"{column} of dtype {values.dtype}", f"{dtype}, as in {fk.dataset}"
            )
    if len(frame) == 0:
        return CheckResult(name, True, 0, "no rows", expected)
    present = _present(frame, fk.columns)
    if present is None:
        missing = index.missing(columns, (neighbours or Neighbours(frame)).starts(fk.columns))
    else:
        columns = [column[present] for column in columns]
        missing = index.missing(columns)
    if len(missing) == 0:
        return CheckResult(name, True, len(frame), f"{len(columns[0])} keys", expected)
    missing = missing if present is None else np.flatnonzero(present)[missing]
    return CheckResult(
        name,
        False,
        len(frame),
        f"{len(missing)} keys without a row",
        expected,
        examples(frame, fk.columns, missing),
    )


def _present(frame: Frame, names: Sequence[str]) -> Array | None:
    """Rows in which every named column is present, or None when that is all of them."""
    masks = [frame.valid[name] for name in names if name in frame.valid and not frame.valid[name].all()]
    return np.logical_and.reduce(masks) if masks else None


def _distinct(column: Array) -> Array:
    """Distinct values, ascending; a table sorted by its key is not sorted again."""
    if len(column) == 0 or (column[1:] > column[:-1]).all():
        return column
    if column.dtype.kind in "OU":
        return np.unique(column)
    ordered = np.sort(column)  # np.unique hashes 64-bit integers since numpy 2.3, which is many times slower
    distinct: Array = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return distinct

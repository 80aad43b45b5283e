"""Keys of several columns, compared and counted exactly and without loops over rows.

A null sorts before every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.state.frames import Array, Frame

_BLOCK = 1 << 17
_FEW = 16


def key_columns(frame: Frame, names: Sequence[str]) -> list[Array]:
    """The named columns as comparable arrays; a nullable one becomes (present, value with nulls zeroed)."""
    columns: list[Array] = []
    for name in names:
        mask = frame.valid.get(name)
        if mask is None or mask.all():
            columns.append(frame[name])
        else:
            blank = "" if frame[name].dtype.kind in "OU" else frame[name].dtype.type(0)
            columns += [mask, np.where(mask, frame[name], blank)]
    return columns


def compare_rows(columns: Sequence[Array], starts: Array | None = None) -> tuple[Array, Array]:
    """Each row against the row before it.

    Args:
        columns: Key columns, most significant first, all of length n.
        starts: `group_starts` of the first column alone, if it is known.

    Returns:
        Two bool arrays of length max(n - 1, 0): row i + 1 sorts before row i; row i + 1 equals row i.
    """
    pairs = max(len(columns[0]) - 1, 0)
    before = np.zeros(pairs, dtype=np.bool_)
    equal = np.ones(pairs, dtype=np.bool_)
    # Blocks keep the temporaries in cache, and most blocks are decided by their first columns.
    for start in range(0, pairs, _BLOCK):
        stop = min(start + _BLOCK, pairs)
        known = None
        if starts is not None:
            low, high = np.searchsorted(starts, [start + 1, stop + 1])
            known = starts[low:high] - (start + 1)
        _compare_block(
            [column[start : stop + 1] for column in columns], before[start:stop], equal[start:stop], known
        )
    return before, equal


def _compare_block(columns: Sequence[Array], lower: Array, tied: Array, known: Array | None) -> None:
    """Settle `lower` (false so far) and `tied` (true so far) of one block.

    `known` is where the first column differs, or None.
    """
    split: Array | None = None  # where the first column decides, if those are few
    for number, column in enumerate(columns):
        here, after = column[:-1], column[1:]
        if split is not None:
            # The usual case of a sorted table: rows of one leading key, rising strictly in the next column.
            rises = after > here
            rises[split] = True
            if rises.all():
                tied[:] = False
                return
            split = None
        if number == 0:
            if known is None:
                np.equal(after, here, out=tied)
                differ = len(tied) - int(np.count_nonzero(tied))
            else:
                tied[known] = False
                differ = len(known)
            if differ <= len(tied) // _FEW:
                split = np.flatnonzero(~tied) if known is None else known
                lower[split] = after[split] < here[split]
            else:
                np.less(after, here, out=lower)
        else:
            lower |= tied & (after < here)
            tied &= after == here
        if not tied.any():
            return


def same_as_before(columns: Sequence[Array]) -> Array:
    """Whether row i + 1 equals row i: the second result of `compare_rows`, without the first."""
    pairs = max(len(columns[0]) - 1, 0)
    equal = np.ones(pairs, dtype=np.bool_)
    for start in range(0, pairs, _BLOCK):
        stop = min(start + _BLOCK, pairs)
        tied = equal[start:stop]
        for column in columns:
            tied &= column[start + 1 : stop + 1] == column[start:stop]
            if not tied.any():
                break
    return equal


def has_duplicates(columns: Sequence[Array]) -> Array:
    """Rows (ascending) whose key already occurs in an earlier row.

    Equal keys have equal 64-bit mixes, so sorted mixes without equal neighbours prove that no key repeats;
    where mixes do repeat, the keys themselves are compared. Exact, and as fast as sorting integers.
    """
    rows = len(columns[0])
    if rows < 2:
        return np.empty(0, dtype=np.int64)
    mixes = _mix(columns)
    ordered = np.sort(mixes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return np.empty(0, dtype=np.int64)
    suspects = np.flatnonzero(np.isin(mixes, repeated))
    keys = [column[suspects] for column in columns]
    # Stable: of equal keys the first row keeps the name, the others repeat it.
    order = np.lexsort(tuple(_comparable(key) for key in reversed(keys)))
    equal = same_as_before([key[order] for key in keys])
    return np.sort(suspects[order[1:][equal]])


def _mix(columns: Sequence[Array]) -> Array:
    """One uint64 a row, equal for equal keys: multiply and fold, after SplitMix64.

    Steele, Lea and Flood 2014 describe SplitMix64.
    """
    mix = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        mix ^= _comparable(column)
        mix *= np.uint64(0x9E3779B97F4A7C15)
        mix ^= mix >> np.uint64(32)
        mix *= np.uint64(0xBF58476D1CE4E5B9)
        mix ^= mix >> np.uint64(29)
    return mix


def _comparable(column: Array) -> Array:
    """A column as uint64 that is equal where its values are equal (not ordered)."""
    if column.dtype.kind in "OU":
        return np.unique(column, return_inverse=True)[1].astype(np.uint64)
    if column.dtype.kind == "f":
        return (column + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0, and both are the same key
    return column.astype(np.uint64, copy=False)


def group_starts(columns: Sequence[Array]) -> Array:
    """First row of each run of rows with equal keys, int64; empty for no rows."""
    if len(columns[0]) == 0:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(~same_as_before(columns)) + 1])


class Neighbours:
    """Rows of one frame against the rows before them; what was found out once is not looked for again.

    Args:
        frame: Its columns must not change while this is in use.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._compared: dict[tuple[str, ...], tuple[Array, Array]] = {}
        self._starts: dict[tuple[str, ...], Array] = {}

    def compared(self, names: Sequence[str]) -> tuple[Array, Array]:
        """`compare_rows` by the named columns."""
        key = tuple(names)
        if key not in self._compared:
            columns = key_columns(self._frame, key)
            simple = len(columns) == len(key) > 1  # a column with nulls became two
            self._compared[key] = compare_rows(columns, self.starts(key[:1]) if simple else None)
        return self._compared[key]

    def starts(self, names: Sequence[str]) -> Array:
        """`group_starts` by the named columns."""
        key = tuple(names)
        if key not in self._starts:
            self._starts[key] = group_starts(key_columns(self._frame, key))
        return self._starts[key]


def is_after(key: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether `key` sorts strictly after `other`; both as `key_range` writes them, null first."""
    return [_with_null(part) for part in key] > [_with_null(part) for part in other]


def _with_null(part: Any) -> tuple[bool, Any]:
    return (part is not None, 0 if part is None else part)

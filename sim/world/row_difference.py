"""Rows of two worlds aligned by key, counted, and the first difference named.

Values are compared bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.state.frames import Array

COLUMNS_DIFFER = "the columns differ"


@dataclass
class DatasetDifference:
    """How one dataset (and scenario) differs.

    Attributes:
        first_part: First file whose content differs.
        only_a, only_b: Rows whose key only one world has.
        changed: Rows of equal key whose values differ.
        unchanged: Rows that are equal.
        columns: Column -> changed rows in it.
        first: The first difference: its key, column and both values; empty when only row counts or files
            differ.
        note: What the figures do not say, or why there are none.
    """

    dataset: str
    scenario: str
    first_part: str = ""
    rows_a: int = 0
    rows_b: int = 0
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    unchanged: int = 0
    columns: dict[str, int] | None = None
    first: dict[str, Any] | None = None
    note: str = ""

    @property
    def same_rows(self) -> bool:
        """Whether the rows were compared, and are the same."""
        return self.note != COLUMNS_DIFFER and not (self.only_a or self.only_b or self.changed)


def count_rows(a: pa.Table, b: pa.Table, keys: tuple[str, ...], result: DatasetDifference) -> None:
    """Add to `result` how the rows of two tables of equal schema differ, aligned by key."""
    columns = {name: _comparable(a[name], b[name]) for name in a.schema.names}
    rows_a, rows_b = _align(columns, keys, len(a), len(b))
    result.only_a += len(a) - len(rows_a)
    result.only_b += len(b) - len(rows_b)
    any_change = np.zeros(len(rows_a), dtype=np.bool_)
    for name, (left, right) in columns.items():
        change = (left[rows_a] != right[rows_b]).any(axis=1)
        if change.any() and result.columns is not None:
            result.columns[name] = result.columns.get(name, 0) + int(np.count_nonzero(change))
        any_change |= change
    result.changed += int(np.count_nonzero(any_change))
    result.unchanged += int(np.count_nonzero(~any_change))
    if result.first is not None:
        return
    if any_change.any():
        row = int(np.flatnonzero(any_change)[0])
        at_a, at_b = int(rows_a[row]), int(rows_b[row])
        name = next(name for name, (left, right) in columns.items() if (left[at_a] != right[at_b]).any())
        result.first = {
            "key": _key(a, keys, at_a),
            "column": name,
            "a": plain(a[name][at_a]),
            "b": plain(b[name][at_b]),
        }
    elif len(rows_a) < len(a):
        result.first = {
            "key": _key(a, keys, int(np.setdiff1d(np.arange(len(a)), rows_a)[0])),
            "column": "",
            "a": "this row",
            "b": "no such row",
        }
    elif len(rows_b) < len(b):
        result.first = {
            "key": _key(b, keys, int(np.setdiff1d(np.arange(len(b)), rows_b)[0])),
            "column": "",
            "a": "no such row",
            "b": "this row",
        }


def _comparable(a: pa.ChunkedArray, b: pa.ChunkedArray) -> tuple[Array, Array]:
    """Two columns as uint64 matrices (rows, 2) of (present, bits), equal where published values are equal."""
    kind = a.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        texts = (
            pa.chunked_array([*a.cast(pa.string()).chunks, *b.cast(pa.string()).chunks], pa.string())
            .combine_chunks()
            .dictionary_encode()
        )
        both = texts.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
        values = (both[: len(a)], both[len(a) :])
    else:
        values = (_bits(a), _bits(b))
    masks = [pc.is_valid(column).combine_chunks().to_numpy(zero_copy_only=False) for column in (a, b)]
    left, right = (
        np.stack([mask.astype(np.uint64), np.where(mask, bits, np.uint64(0))], axis=1)
        for mask, bits in zip(masks, values, strict=True)
    )
    return left, right


def _bits(column: pa.ChunkedArray) -> Array:
    kind = column.type
    flat = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_temporal(kind):
        flat = flat.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    values = flat.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
    bits: Array = values.view(np.uint64) if values.dtype == np.float64 else values
    return bits if bits.dtype == np.uint64 else bits.astype(np.int64).view(np.uint64)


def _align(
    columns: Mapping[str, tuple[Array, Array]], keys: tuple[str, ...], count_a: int, count_b: int
) -> tuple[Array, Array]:
    """Row numbers in A and B of the keys both have, in key order of A's file."""
    pairs = [columns[name] for name in keys]
    if count_a == count_b and all((left == right).all() for left, right in pairs):
        return np.arange(count_a), np.arange(count_b)
    parts = [np.concatenate([left[:, part], right[:, part]]) for left, right in pairs for part in (0, 1)]
    order = np.lexsort([*reversed(parts)])  # stable: A's row comes before B's of the same key
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for part in parts:
        same &= part[order][1:] == part[order][:-1]
    hits = np.flatnonzero(same)
    rows_a, rows_b = order[hits], order[hits + 1] - count_a
    by_file = np.argsort(rows_a, kind="stable")
    return rows_a[by_file], rows_b[by_file]


def _key(table: pa.Table, keys: tuple[str, ...], row: int) -> dict[str, Any]:
    return {name: plain(table[name][row]) for name in keys}


def plain(value: pa.Scalar) -> Any:
    """A value as JSON and people can read it: times as ISO text."""
    python = value.as_py()
    return python.isoformat() if hasattr(python, "isoformat") else python

"""Two worlds compared: which datasets differ, where first, and in how many rows.

Digests decide what is equal, and the bytes of what they call equal are hashed, so that a damaged copy is not told as equal; rows are read
only for datasets whose digests differ, one key range at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from sim.shell.frames import Array
from sim.shell.manifest import Published
from sim.world.handle import World
from sim.world.tables import Table

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
        first: The first difference: its key, column and both values; empty when only row counts or files differ.
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


@dataclass(frozen=True)
class Comparison:
    """Two worlds side by side.

    Attributes:
        equal: Dataset directories of equal content.
        different: Those of different content.
        only_a, only_b: Datasets (and scenarios) only one world publishes.
        identity: What differs in the receipts: name -> (a, b).
        recorded: Whether what is called equal is so by the digests that the runs recorded, their bytes not looked at.
    """

    equal: tuple[str, ...]
    different: tuple[DatasetDifference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    identity: Mapping[str, tuple[Any, Any]]
    recorded: bool = False

    @property
    def same(self) -> bool:
        """Whether both publish the same datasets with the same content."""
        return not (self.different or self.only_a or self.only_b)


def compare(a: World, b: World, recorded: bool = False) -> Comparison:
    """Compare everything two worlds publish; primary keys come from the contracts of `a`.

    Args:
        a: One world.
        b: The other.
        recorded: Believe the digests that the runs recorded; by default every file of what they call equal is hashed.

    Raises:
        GateError: If a file is not the published one: then nothing can be said about what it held.
    """
    left, right = _by_name(a), _by_name(b)
    equal, different = [], []
    for name in [name for name in left if name in right]:
        if left[name].content_blake3 == right[name].content_blake3 and (recorded or _proven_equal(a, b, left[name], right[name])):
            equal.append(_label(*name))
        else:
            different.append(_difference(a, b, left[name], right[name]))
    return Comparison(
        equal=tuple(equal),
        different=tuple(different),
        only_a=tuple(_label(*name) for name in left if name not in right),
        only_b=tuple(_label(*name) for name in right if name not in left),
        identity=identity_difference(a.receipt, b.receipt),
        recorded=recorded,
    )


def _proven_equal(a: World, b: World, left: Published, right: Published) -> bool:
    """Whether two directories of one recorded content hold it: each file is hashed, and where files differ, rows are compared."""
    a.require_intact([left])
    b.require_intact([right])
    if [part.file_sha256 for part in left.files] == [part.file_sha256 for part in right.files]:
        return True
    found = _difference(a, b, left, right)  # of another writer, or with a content digest that is not its own
    return not (found.only_a or found.only_b or found.changed) and found.note != COLUMNS_DIFFER


def identity_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Receipt entries that differ, parameters down to the single value; provenance is left out."""
    left, right = _flat(a), _flat(b)
    return {name: (left.get(name), right.get(name)) for name in sorted(left.keys() | right.keys()) if left.get(name) != right.get(name)}


def _flat(receipt: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, item in value.items():
                walk(f"{name}.{key}" if name else key, item)
        else:
            flat[name] = value

    walk("", {key: value for key, value in receipt.items() if key not in ("provenance", "law")})
    return flat


def _by_name(world: World) -> dict[tuple[str, str], Published]:
    return {(item.dataset, item.scenario or ""): item for name in world.tables for item in world[name].published}


def _label(dataset: str, scenario: str) -> str:
    return f"{dataset} ({scenario})" if scenario else dataset


def _difference(a: World, b: World, left: Published, right: Published) -> DatasetDifference:
    result = DatasetDifference(left.dataset, left.scenario or "", rows_a=left.rows, rows_b=right.rows, columns={})
    parts = max(len(left.files), len(right.files))
    for number in range(parts):
        digests = [item.files[number].content_blake3 if number < len(item.files) else "" for item in (left, right)]
        if digests[0] != digests[1]:
            result.first_part = (left if number < len(left.files) else right).files[number].name
            break
    table_a, table_b = a.table(left.dataset, left.scenario), b.table(right.dataset, right.scenario)
    if table_a.schema != table_b.schema:
        result.note = COLUMNS_DIFFER
        return result
    keys = a.contracts.dataset(left.dataset).primary_key
    for condition in _ranges(a, left, table_a.schema):
        _count(table_a.to_arrow(filter=condition), table_b.to_arrow(filter=condition), keys, result)
    if not (result.only_a or result.only_b or result.changed):
        result.note = "the same rows, cut into other files or in another order"
    return result


def _ranges(world: World, item: Published, schema: pa.Schema) -> list[pads.Expression | None]:
    """Conditions that split both worlds' rows alike, about a file of `item` each, so that memory does not grow with the data."""
    contract = world.contracts.dataset(item.dataset)
    column = contract.sort_order[0]
    if column not in contract.primary_key or not pa.types.is_integer(schema.field(column).type):
        return [None]
    cuts = sorted({part.keys["first"][0] for part in item.files[1:] if part.keys.get("rows")})
    scalars = [pa.scalar(cut, schema.field(column).type) for cut in cuts]
    edges = [None, *scalars, None]
    field = pads.field(column)
    conditions: list[pads.Expression | None] = []
    for low, high in pairwise(edges):
        parts = ([field >= low] if low is not None else []) + ([field < high] if high is not None else [])
        conditions.append(parts[0] & parts[1] if len(parts) == 2 else parts[0] if parts else None)
    return conditions


def _count(a: pa.Table, b: pa.Table, keys: tuple[str, ...], result: DatasetDifference) -> None:
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
        result.first = {"key": _key(a, keys, at_a), "column": name, "a": plain(a[name][at_a]), "b": plain(b[name][at_b])}
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
    """Two columns as uint64 matrices (rows, 2) of (present, bits): equal exactly where the published values are equal."""
    kind = a.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        texts = (
            pa.chunked_array([*a.cast(pa.string()).chunks, *b.cast(pa.string()).chunks], pa.string()).combine_chunks().dictionary_encode()
        )
        both = texts.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
        values = (both[: len(a)], both[len(a) :])
    else:
        values = (_bits(a), _bits(b))
    masks = [pc.is_valid(column).combine_chunks().to_numpy(zero_copy_only=False) for column in (a, b)]
    left, right = (
        np.stack([mask.astype(np.uint64), np.where(mask, bits, np.uint64(0))], axis=1) for mask, bits in zip(masks, values, strict=True)
    )
    return left, right


def _bits(column: pa.ChunkedArray) -> Array:
    kind = column.type
    flat = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_timestamp(kind):
        flat = flat.cast(pa.int64())
    values = flat.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
    bits: Array = values.view(np.uint64) if values.dtype == np.float64 else values
    return bits if bits.dtype == np.uint64 else bits.astype(np.int64).view(np.uint64)


def _align(columns: Mapping[str, tuple[Array, Array]], keys: tuple[str, ...], count_a: int, count_b: int) -> tuple[Array, Array]:
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


__all__ = ["Comparison", "DatasetDifference", "Table", "compare", "identity_difference", "plain"]

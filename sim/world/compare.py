"""Two worlds compared: which datasets differ, where first, and in how many rows.

Digests decide what is equal. The comparison hashes the files of equal digests, so that a damaged copy is not
reported as equal. It reads rows only of datasets whose digests differ, one key range at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from sim.shell.contracts.event_tables import EVENT_TABLE
from sim.state.records import Published
from sim.world.handle import World
from sim.world.row_difference import COLUMNS_DIFFER, DatasetDifference, count_rows, plain


@dataclass(frozen=True)
class Comparison:
    """Two worlds side by side.

    Attributes:
        equal: Dataset directories of equal content.
        different: Those of different content.
        only_a, only_b: Datasets (and scenarios) only one world publishes.
        identity: What differs in the receipts: name -> (a, b).
        recorded: Whether what is called equal is so by the digests that the runs recorded, their bytes not
            looked at.
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
        recorded: Believe the digests that the runs recorded; by default every file of what they call equal is
            hashed.

    Raises:
        GateError: If a file is not the published one: then nothing can be said about what it held.
    """
    left, right = _by_name(a), _by_name(b)
    equal, different = [], []
    for name in [name for name in left if name in right]:
        found = _compared(a, b, left[name], right[name], recorded)
        if found is None:
            equal.append(_label(*name))
        else:
            different.append(found)
    return Comparison(
        equal=tuple(equal),
        different=tuple(different),
        only_a=tuple(_label(*name) for name in left if name not in right),
        only_b=tuple(_label(*name) for name in right if name not in left),
        identity=identity_difference(a.receipt, b.receipt),
        recorded=recorded,
    )


def _compared(
    a: World, b: World, left: Published, right: Published, recorded: bool
) -> DatasetDifference | None:
    """How two directories differ; None where they are equal.

    Those of one recorded content must hold it: each file is hashed, and where files differ, rows are
    compared.
    """
    alike = left.content_blake3 == right.content_blake3
    if alike and recorded:
        return None
    if alike:
        a.require_intact([left])
        b.require_intact([right])
        if [part.file_sha256 for part in left.files] == [part.file_sha256 for part in right.files]:
            return None
    # if alike: of another writer, or with a content digest that is not its own
    found = _difference(a, b, left, right)
    return None if alike and found.same_rows else found


def identity_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Receipt entries that differ, parameters down to the single value; provenance is left out."""
    left, right = _flat(a), _flat(b)
    return {
        name: (left.get(name), right.get(name))
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    }


def _flat(receipt: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, item in value.items():
                walk(f"{name}.{key}" if name else key, item)
        else:
            flat[name] = value

    walk("", {key: value for key, value in receipt.items() if key not in ("provenance", "format")})
    return flat


def _by_name(world: World) -> dict[tuple[str, str], Published]:
    return {
        (item.dataset, item.scenario or ""): item
        for name in world.tables
        if not name.startswith(EVENT_TABLE)
        for item in world[name].published
    }


def _label(dataset: str, scenario: str) -> str:
    return f"{dataset} ({scenario})" if scenario else dataset


def _difference(a: World, b: World, left: Published, right: Published) -> DatasetDifference:
    result = DatasetDifference(
        left.dataset, left.scenario or "", rows_a=left.rows, rows_b=right.rows, columns={}
    )
    parts = max(len(left.files), len(right.files))
    for number in range(parts):
        digests = [
            item.files[number].content_blake3 if number < len(item.files) else "" for item in (left, right)
        ]
        if digests[0] != digests[1]:
            result.first_part = (left if number < len(left.files) else right).files[number].name
            break
    table_a, table_b = a.table(left.dataset, left.scenario), b.table(right.dataset, right.scenario)
    if table_a.schema != table_b.schema:
        result.note = COLUMNS_DIFFER
        return result
    keys = a.contracts.dataset(left.dataset).primary_key
    for condition in _ranges(a, left, table_a.schema):
        count_rows(table_a.to_arrow(filter=condition), table_b.to_arrow(filter=condition), keys, result)
    if result.same_rows:
        result.note = "the same rows, cut into other files or in another order"
    return result


def _ranges(world: World, item: Published, schema: pa.Schema) -> list[pads.Expression | None]:
    """Conditions that split both worlds' rows alike, into ranges of about a file of `item` each.

    So memory does not grow with the data.
    """
    contract = world.contracts.dataset(item.dataset)
    grouped = contract.row_groups is not None  # each file has rows of all groups, and primary keys of its own
    column, first = (
        (contract.primary_key[0], "least_primary") if grouped else (contract.sort_order[0], "first")
    )
    if column not in contract.primary_key or not pa.types.is_integer(schema.field(column).type):
        return [None]
    cuts = sorted({part.keys[first][0] for part in item.files[1:] if part.keys.get("rows")})
    scalars = [pa.scalar(cut, schema.field(column).type) for cut in cuts]
    edges = [None, *scalars, None]
    field = pads.field(column)
    conditions: list[pads.Expression | None] = []
    for low, high in pairwise(edges):
        parts = ([field >= low] if low is not None else []) + ([field < high] if high is not None else [])
        conditions.append(parts[0] & parts[1] if len(parts) == 2 else parts[0] if parts else None)
    return conditions


__all__ = ["Comparison", "DatasetDifference", "compare", "identity_difference", "plain"]

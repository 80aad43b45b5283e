"""Finding one row of a published dataset by its key, reading no more files than may hold it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sim.ground.contract_types import Column, Dataset, nearest
from sim.ground.errors import UsageError
from sim.shell.tables.arrow import arrow_type
from sim.state.records import PartFile, Published
from sim.world.handle import World
from sim.world.tables import Table, only

_EXAMPLES = 5


@dataclasses.dataclass(frozen=True)
class FoundRow:
    """A row and where it lies.

    Attributes:
        item: The published directory.
        part: The file.
        row: Column -> value; times are datetimes, dates dates, categories text.
    """

    item: Published
    part: PartFile
    row: Mapping[str, Any]


def parse_key(dataset: Dataset, texts: Sequence[str]) -> dict[str, Any]:
    """Key values from a command line: in primary key order, or as `column=value` for any columns.

    Raises:
        UsageError: `SHELL.KEY_INVALID` for too many values, an unknown column, or a value of another type.
    """
    values: dict[str, Any] = {}
    for number, text in enumerate(texts):
        name, named, rest = text.partition("=")
        if not named and number >= len(dataset.primary_key):
            raise _invalid(dataset, f"{len(texts)} values", "at most one a key column")
        column = name if named else dataset.primary_key[number]
        if column not in dataset.table.names:
            raise _invalid(
                dataset,
                f"a column {column!r}",
                "columns of the dataset",
                nearest(column, dataset.table.names),
            )
        values[column] = _value(dataset, dataset.table.column(column), rest if named else text)
    if not values:
        raise _invalid(dataset, "no value", "at least the first key column")
    return values


def find_row(world: World, dataset: Dataset, values: Mapping[str, Any], scenario: str | None) -> FoundRow:
    """The one row with these values.

    Raises:
        UsageError: `SHELL.ROW_NOT_FOUND`, or `SHELL.KEY_NOT_UNIQUE` naming a few of the keys that fit.
    """
    found = rows_with(world, dataset, values, scenario, limit=_EXAMPLES)
    if len(found) > 1:
        raise _not_unique(dataset, found)
    if not found:
        key = ", ".join(f"{name}={value}" for name, value in values.items())
        do = (
            f"closedworld sql RUN 'select {', '.join(dataset.primary_key)} from {dataset.id} limit 5' shows "
            "keys"
        )
        raise UsageError(
            "SHELL.ROW_NOT_FOUND", f"{dataset.id} has no row with {key}", where=world.location, do=do
        )
    return found[0]


def rows_with(
    world: World, dataset: Dataset, values: Mapping[str, Any], scenario: str | None, limit: int | None = None
) -> list[FoundRow]:
    """Rows with these values, in published order.

    Args:
        world: The world.
        dataset: Contract of the dataset to look in.
        values: Column -> value.
        scenario: Scenario id, or None for all.
        limit: Most rows to find.
    """
    found: list[FoundRow] = []
    for item, part, rows in _matching(world, dataset, values, scenario):
        found += [FoundRow(item, part, row) for row in rows.slice(0, limit).to_pylist()]
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


def first_with(
    world: World, dataset: Dataset, values: Mapping[str, Any], scenario: str | None
) -> tuple[int, Mapping[str, Any]]:
    """How many rows have these values, and the first of them (empty if there is none).

    Arguments as `rows_with`.
    """
    count, first = 0, {}
    for _, _, rows in _matching(world, dataset, values, scenario):
        if count == 0 and len(rows):
            first = rows.slice(0, 1).to_pylist()[0]
        count += len(rows)
    return count, first


def _matching(
    world: World, dataset: Dataset, values: Mapping[str, Any], scenario: str | None
) -> Iterator[tuple[Published, PartFile, pa.Table]]:
    """Rows with these values, file by file."""
    for item in world.table(dataset.id, scenario).published:
        for part in item.files:
            if _may_hold(dataset, part, values):
                yield item, part, Table(world, [only(item, part)]).to_arrow(filter=values)


def _may_hold(dataset: Dataset, part: PartFile, values: Mapping[str, Any]) -> bool:
    """Whether these values may lie between the ends of what the manifest says of the file's keys."""
    grouped = dataset.row_groups is not None
    column = dataset.table.column((dataset.primary_key if grouped else dataset.sort_order)[0])
    if column.name not in values or column.type in ("category", "string", "timestamp_us", "date"):
        return True
    ends = ("least_primary", "most_primary") if grouped else ("first", "last")
    first, last = (part.keys.get(end) for end in ends)
    if not part.keys.get("rows") or not first or not last:
        return part.rows > 0
    return bool(first[0] <= values[column.name] <= last[0])


def _not_unique(dataset: Dataset, found: Sequence[FoundRow]) -> UsageError:
    shown = [", ".join(f"{name}={entry.row[name]}" for name in dataset.primary_key) for entry in found]
    if len({entry.item.scenario for entry in found}) > 1:
        shown = [
            f"{text} in scenario {entry.item.scenario}" for text, entry in zip(shown, found, strict=True)
        ]
    what = f"these values fit several rows of {dataset.id}"
    do = f"give the whole key: {', '.join(dataset.primary_key)} (and --scenario where there are several)"
    return UsageError("SHELL.KEY_NOT_UNIQUE", what, examples=shown[:_EXAMPLES], do=do)


def _value(dataset: Dataset, column: Column, text: str) -> Any:
    try:
        if column.type == "timestamp_us":
            time = datetime.datetime.fromisoformat(text)
            return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
        if column.type == "date":
            return datetime.date.fromisoformat(text)
        if column.type == "bool":
            return {"true": True, "false": False}[text.lower()]
        if column.type == "float64":
            return float(text)
        if column.type in ("category", "string"):
            return text
        number = int(text)
        if not -(2**63) <= number < 2**64:
            raise ValueError(text)
        return pa.scalar(number, arrow_type(column)).as_py()
    except (ValueError, KeyError, OverflowError, pa.ArrowException):
        raise _invalid(dataset, f"{text!r} for {column.name}", f"a value of type {column.type}") from None


def _invalid(dataset: Dataset, found: str, expected: str, hint: str = "") -> UsageError:
    do = hint or f"key of {dataset.id}: {', '.join(dataset.primary_key)}; or column=value"
    return UsageError(
        "SHELL.KEY_INVALID", "this is not a key of the dataset", found=found, expected=expected, do=do
    )

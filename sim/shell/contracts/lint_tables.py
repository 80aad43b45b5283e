"""Lint rules of datasets: their columns, keys, references and invariants fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sim.ground.contract_types import (
    INTEGERS,
    MOST_GROUPS,
    PARTITION_KEYS,
    Column,
    Contracts,
    Dataset,
    Invariant,
    nearest,
)
from sim.ground.errors import ContractError
from sim.shell.contracts.defaults import EVENTS, REPORTS, SHELL
from sim.shell.contracts.event_tables import event_dataset
from sim.shell.contracts.strict_yaml import JsonPath, Located

INPUT_TABLE = re.compile(r"[a-z0-9_]+_input_[1-9][A-Z]")


def problem(what: str, found: str, expected: str, where: str, do: str = "") -> ContractError:
    """One lint row."""
    return ContractError("SHELL.LINT", what, found, expected, where, do)


class Places:
    """The place of each entry of dictionaries and registries."""

    def __init__(self, contracts: Contracts) -> None:
        self._entries: dict[tuple[str, str], tuple[Located, JsonPath]] = {}
        for file in contracts.located.values():
            for kind in ("datasets", "artefacts", "streams"):
                entries = file.value.get(kind, ()) if isinstance(file.value, Mapping) else ()
                for number, entry in enumerate(entries if isinstance(entries, list) else ()):
                    if isinstance(entry, Mapping) and "id" in entry:
                        self._entries[(kind, str(entry["id"]))] = (file, (kind, number))
                        if kind == "streams":
                            events = event_dataset(str(entry["id"]))
                            self._entries[("datasets", events)] = (file, (kind, number))
            if isinstance(file.value, Mapping) and {"fields", "streams"} <= set(file.value):
                self._entries |= {
                    ("fields", str(name)): (file, ("fields", name)) for name in file.value["fields"]
                }

    def of(self, kind: str, id: str, *inside: str | int) -> str:
        """`file:line:col` of an entry, or of something inside it."""
        if (kind, id) not in self._entries:
            return ""
        file, path = self._entries[(kind, id)]
        return file.where((*path, *inside))


def dataset_problems(contracts: Contracts, places: Places) -> Iterator[ContractError]:
    """Problems of every dataset."""
    known_vocabularies = {*contracts.vocabularies, *contracts.reference_vocabularies}
    users: dict[str, list[str]] = {}
    homes: dict[str, str] = {}
    for dataset in contracts.datasets.values():
        if not _is_log(dataset) and homes.setdefault(dataset.path, dataset.id) != dataset.id:
            where = places.of("datasets", dataset.id, "id")
            yield problem(
                f"{dataset.id} lies where {homes[dataset.path]} does.",
                dataset.path,
                "a path of its own",
                where,
            )
        users.setdefault(dataset.table.id, []).append(dataset.id)
        yield from _layout(dataset, places)
        yield from _keys(dataset, places)
        yield from _row_groups(dataset, places)
        for column in dataset.table.columns:
            yield from _column(dataset, column, known_vocabularies)
        for number, _ in enumerate(dataset.foreign_keys):
            yield from _foreign_key(
                contracts, dataset, number, places.of("datasets", dataset.id, "foreign_keys", number)
            )
        for number, invariant in enumerate(dataset.invariants):
            yield from _invariant(dataset, invariant, places.of("datasets", dataset.id, "invariants", number))
    for table in contracts.tables.values():
        owners, name = users.get(table.id, []), table.id.rpartition("/")[2]
        # Streams whose events are alike share a table, and so do the run reports of all layers.
        shared = owners and all(contracts.datasets[id].segment in (EVENTS, REPORTS) for id in owners)
        # What users supply is described like a table and belongs to no dataset.
        if not shared and len(owners) != (0 if INPUT_TABLE.fullmatch(name) else 1):
            yield problem(
                f"Table {name} must belong to one dataset.",
                ", ".join(owners) or "no dataset",
                "one dataset",
                table.where,
            )


def _is_log(dataset: Dataset) -> bool:
    """Whether it is made from the indexes under gates/ and has no place of its own."""
    return dataset.produced_by == SHELL and dataset.segment == EVENTS


def _layout(dataset: Dataset, places: Places) -> Iterator[ContractError]:
    if dataset.produced_by == SHELL:
        return
    if dataset.partitioning not in (PARTITION_KEYS[:2], PARTITION_KEYS):
        found, where = ", ".join(dataset.partitioning), places.of("datasets", dataset.id, "partitioning")
        yield problem(
            f"{dataset.id} is partitioned otherwise.",
            found,
            ", ".join(PARTITION_KEYS) + " (the last if by scenario)",
            where,
        )


def _keys(dataset: Dataset, places: Places) -> Iterator[ContractError]:
    # as a rule it follows, and says no more
    order = () if dataset.sort_order == dataset.primary_key else dataset.sort_order
    for key, names in (("primary_key", dataset.primary_key), ("sort_order", order)):
        for number, name in enumerate(names):
            where = places.of("datasets", dataset.id, key, number)
            column = _find(dataset, name)
            if column is None:
                yield _no_column(dataset, name, where)
            elif key == "primary_key" and (column.nullable or column.type == "float64"):
                found = "nullable" if column.nullable else column.type
                yield problem(
                    f"{dataset.id}.{name} cannot be part of a primary key.",
                    found,
                    "a present, exact value",
                    where,
                )


def _row_groups(dataset: Dataset, places: Places) -> Iterator[ContractError]:
    name = dataset.row_groups
    if name is None:
        return
    where, column = places.of("datasets", dataset.id, "row_groups"), _find(dataset, name)
    if column is None:
        yield _no_column(dataset, name, where)
        return
    most = column.maximum
    if not column.type.startswith("uint") or column.nullable or most is None or most >= MOST_GROUPS:
        found = f"{column.type}{' nullable' * column.nullable}, maximum {most}"
        text = f"a present unsigned value, maximum at most {MOST_GROUPS - 1}"
        yield problem(f"{dataset.id} has no row groups by {name}.", found, text, where)
    # Files are told apart by the spans of their primary keys, whatever their groups.
    rest = dataset.primary_key if name not in dataset.primary_key else dataset.primary_key[1:]
    if dataset.sort_order != (name, *rest):
        text = ", ".join((name, *rest))
        yield problem(
            f"{dataset.id} is not sorted by its row groups.", ", ".join(dataset.sort_order), text, where
        )
    across = [rule.kind for rule in dataset.invariants if rule.kind in ("contiguous", "sums_to")]
    texts = [each.name for each in dataset.table.columns if each.type == "string"]
    if across or texts or dataset.numbers:
        found = ", ".join([*across, *texts, *(rule.set for rule in dataset.numbers)])
        text = "no invariant of groups, no text, no set that it numbers"
        yield problem(f"{dataset.id} cannot have row groups by a column.", found, text, where)


def _column(dataset: Dataset, column: Column, vocabularies: set[str]) -> Iterator[ContractError]:
    where, name = column.where, f"{dataset.id}.{column.name}"
    if column.vocabulary is not None and column.vocabulary not in vocabularies:
        yield problem(
            f"{name} has no vocabulary.",
            column.vocabulary,
            "a vocabulary",
            where,
            nearest(column.vocabulary, vocabularies),
        )
    low, high = column.minimum, column.maximum
    if low is not None and high is not None and low > high:
        yield problem(f"{name} has an empty range.", f"{low}..{high}", "minimum <= maximum", where)
    if column.type in INTEGERS:
        limits = np.iinfo(np.dtype(column.numpy_dtype))
        for bound in (low, high):
            if bound is not None and not int(limits.min) <= bound <= int(limits.max):
                yield problem(
                    f"{name} has a bound its type cannot hold.",
                    str(bound),
                    f"{limits.min}..{limits.max}",
                    where,
                )


def _foreign_key(contracts: Contracts, dataset: Dataset, number: int, where: str) -> Iterator[ContractError]:
    key = dataset.foreign_keys[number]
    target = contracts.datasets.get(key.dataset)
    if target is None:
        yield problem(
            f"{dataset.id} refers to nothing.",
            key.dataset,
            "a dataset",
            where,
            nearest(key.dataset, contracts.datasets),
        )
        return
    if len(key.columns) != len(key.to):
        yield problem(
            f"{dataset.id} refers unevenly.",
            f"{len(key.columns)} to {len(key.to)} columns",
            "as many as in `to`",
            where,
        )
        return
    for here, there in zip(key.columns, key.to, strict=True):
        column, other = _find(dataset, here), _find(target, there)
        if column is None:
            yield _no_column(dataset, here, where)
        if other is None:
            yield _no_column(target, there, where)
        if column and other and (column.type, column.vocabulary) != (other.type, other.vocabulary):
            found = f"{here}: {column.type} {column.vocabulary or ''}".strip()
            expected = f"{other.type} {other.vocabulary or ''}".strip() + f", as {target.id}.{there}"
            yield problem(f"{dataset.id} refers across types.", found, expected, where)


def _invariant(dataset: Dataset, invariant: Invariant, where: str) -> Iterator[ContractError]:
    params: Mapping[str, Any] = invariant.params
    within = tuple(params.get("within", ()))
    single = [str(params[key]) for key in ("column", "other") if key in params]
    names = [*single, *within, *params.get("columns", ())]
    columns = {name: _find(dataset, name) for name in names}
    for name, column in columns.items():
        if column is None:
            yield _no_column(dataset, name, where)
    if None in columns.values():
        return
    found = {name: column for name, column in columns.items() if column is not None}
    if within and set(within) != set(dataset.sort_order[: len(within)]):
        order = ", ".join(dataset.sort_order)
        yield problem(
            f"{dataset.id}: {invariant.kind} needs groups that are sorted together.",
            ", ".join(within),
            f"a prefix of {order}",
            where,
        )
    if invariant.kind in ("contiguous", "sums_to") and found[params["column"]].type not in INTEGERS:
        yield problem(
            f"{dataset.id}: {invariant.kind} is about integers.",
            found[params["column"]].type,
            "an integer type",
            where,
        )
    if invariant.kind == "contiguous":
        if params["column"] not in dataset.sort_order:
            yield problem(
                f"{dataset.id}: contiguous needs its column in the sort order.",
                params["column"],
                "a sorted column",
                where,
            )
        if found[params["column"]].nullable:
            yield problem(f"{dataset.id}: a numbered column has no gaps.", "nullable", "not nullable", where)
    if invariant.kind == "exactly_one_present":
        for name, column in found.items():
            if not column.nullable:
                yield problem(f"{dataset.id}: {name} is always present.", "not nullable", "nullable", where)
    if invariant.kind == "at_least":
        kinds = [column.type for column in found.values()]
        if len(set(kinds)) > 1 and not all(kind in INTEGERS for kind in kinds):
            yield problem(
                f"{dataset.id}: at_least compares unlike types.",
                ", ".join(kinds),
                "integers, or one type",
                where,
            )


def _find(dataset: Dataset, name: str) -> Column | None:
    return next((column for column in dataset.table.columns if column.name == name), None)


def _no_column(dataset: Dataset, name: str, where: str) -> ContractError:
    return problem(
        f"{dataset.id} has no column {name!r}.",
        name,
        "a declared column",
        where,
        nearest(name, dataset.table.names),
    )

"""Lint rules of contracts by default: a fact is there once.

What follows from an entry is not stated in it again; a column two tables have in common is described in
`contracts/columns.yaml`; and what `columns.yaml` describes is used by two tables at least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.ground.contract_types import SCENARIO_KEY, Contracts
from sim.ground.errors import ContractError
from sim.shell.contracts.defaults import COLUMNS, USE, artefact_defaults, dataset_defaults, kind_of
from sim.shell.contracts.lint_tables import Places, problem
from sim.shell.contracts.strict_yaml import JsonPath, Located
from sim.shell.contracts.tables import shared_columns


def default_problems(contracts: Contracts, places: Places) -> Iterator[ContractError]:
    """Everything that is stated and follows anyway, or is stated twice."""
    yield from _entries(contracts, places)
    yield from _columns(contracts)


def scenario_problems(
    contracts: Contracts, per_scenario: Mapping[str, bool], places: Places
) -> Iterator[ContractError]:
    """A dataset is cut by scenario if, and only if, the state that makes it runs once a scenario.

    Args:
        contracts: Compiled contracts.
        per_scenario: State id -> whether it runs once for each scenario.
        places: Where entries are.
    """
    for dataset in contracts.datasets.values():
        by_scenario = SCENARIO_KEY in dataset.partitioning
        if by_scenario != per_scenario.get(dataset.produced_by, by_scenario):
            found, does = ", ".join(dataset.partitioning), "does not run" if by_scenario else "runs"
            expected = (
                f"partitioning with{'out' if by_scenario else ''} {SCENARIO_KEY}: {dataset.produced_by} "
                f"{does} once a scenario"
            )
            where = places.of("datasets", dataset.id, "partitioning")
            yield problem(f"{dataset.id} is partitioned unlike its state.", found, expected, where)


def _entries(contracts: Contracts, places: Places) -> Iterator[ContractError]:
    for relative, file in contracts.located.items():
        kind = kind_of(relative)
        for number, entry in enumerate(file.value["datasets"] if kind == "dictionary" else ()):
            id = entry["id"]
            table = contracts.datasets[id].table.id
            own = table if table.rpartition("/")[2] == id else ""
            yield from _restated(id, entry, dataset_defaults(entry, own), file, ("datasets", number))
        for number, entry in enumerate(file.value["artefacts"] if kind == "registry" else ()):
            artefact = contracts.artefacts[entry["id"]]
            own = artefact.schema if artefact.schema.rpartition("/")[2] == artefact.id else ""
            defaults = artefact_defaults(entry, artefact.segment, artefact.layer, own)
            yield from _restated(artefact.id, entry, defaults, file, ("artefacts", number))


def _restated(
    id: str, entry: Mapping[str, Any], defaults: Mapping[str, Any], file: Located, path: JsonPath
) -> Iterator[ContractError]:
    for key, value in defaults.items():
        if key in entry and entry[key] == value:
            yield problem(
                f"{id} states what follows by itself.",
                f"{key}: {_plain(value)}",
                "nothing",
                file.where((*path, key)),
                f"leave {key} out",
            )
    for key in ("foreign_keys", "invariants"):
        if entry.get(key) == []:
            yield problem(
                f"{id} states what follows by itself.",
                f"{key}: none",
                "nothing",
                file.where((*path, key)),
                f"leave {key} out",
            )


def _columns(contracts: Contracts) -> Iterator[ContractError]:
    shared = shared_columns(contracts.located)
    names = {_meaning({"name": name, **column}): name for name, column in shared.items()}
    users = dict.fromkeys(shared, 0)
    first: dict[tuple[Any, ...], str] = {}
    for relative, file in contracts.located.items():
        tables = file.value.get("tables", {}) if kind_of(relative) == "schemas" else {}
        for path, entry in (
            (("tables", name, "columns", n), one)
            for name, table in tables.items()
            for n, one in enumerate(table["columns"])
        ):
            where = file.where(path)
            if USE in entry:
                users[entry[USE]] += 1
                yield from _overridden(entry, shared[entry[USE]], where)
                continue
            meaning, what = _meaning(entry), f"{path[1]}.{entry['name']} is described elsewhere already."
            if meaning in names:
                yield problem(what, str(entry["description"]), f"{{use: {names[meaning]}}}", where)
            elif meaning in first:
                yield problem(what, f"the same at {first[meaning]}", f"one description, in {COLUMNS}", where)
            else:
                first[meaning] = where
    for name, count in users.items():
        if count < 2:
            where = contracts.located[COLUMNS].where(("columns", name))
            yield problem(
                f"Column {name} is not shared.",
                f"{count} uses",
                "two tables at least, or its description in the one",
                where,
            )
    for name, column in shared.items():
        other = names[_meaning({"name": name, **column})]
        if other != name:
            where = contracts.located[COLUMNS].where(("columns", name))
            yield problem(
                f"Column {name} is described twice.", f"{other} says the same", "one of them", where
            )


def _overridden(entry: Mapping[str, Any], shared: Mapping[str, Any], where: str) -> Iterator[ContractError]:
    for key, value in entry.items():
        if key != USE and shared.get(key) == value:
            yield problem(
                f"Column {entry[USE]} says so by itself.",
                f"{key}: {_plain(value)}",
                "nothing",
                where,
                f"leave {key} out",
            )


def _meaning(column: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two columns have in common that mean the same; bounds, nulls and encodings may differ by table."""
    return tuple(column.get(key) for key in ("name", "type", "vocabulary", "unit", "description"))


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

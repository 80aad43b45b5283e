"""Tables of all schemas files, compiled in contract order; columns of `contracts/columns.yaml` filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.ground.contract_types import Column, TableContract, nearest
from sim.ground.errors import ContractError
from sim.ground.names import COLUMN, is_name
from sim.shell.contracts.defaults import COLUMNS, USE, full_column, kind_of
from sim.shell.contracts.schema_check import document_problems
from sim.shell.contracts.strict_yaml import JsonPath, Located, Mark

_OWN = "closedworld:meta/schemas#/$defs/column"


def shared_columns(located: Mapping[str, Located]) -> Mapping[str, Mapping[str, Any]]:
    """Columns of columns.yaml by the name they are used by; none if there is no such file."""
    return dict(located[COLUMNS].value["columns"]) if COLUMNS in located else {}


def build_tables(
    located: Mapping[str, Located], documents: Mapping[str, Any]
) -> tuple[dict[str, TableContract], list[ContractError]]:
    """Tables by the reference that names them, and every problem of those that have any.

    Args:
        located: Contract files by relative path, each as its meta-schema wants it.
        documents: Contract files by `$id`.
    """
    shared = shared_columns(located)
    tables: dict[str, TableContract] = {}
    problems: list[ContractError] = []
    for relative, file in located.items():
        for name in file.value.get("tables", {}) if kind_of(relative) == "schemas" else ():
            try:
                table = _table(file, name, shared, documents)
                tables[table.id] = table
            except ContractError as error:
                problems.append(error)
    return tables, problems


def _table(
    file: Located, name: str, shared: Mapping[str, Any], documents: Mapping[str, Any]
) -> TableContract:
    value, path = file.value["tables"][name], ("tables", name)
    columns = [
        _column(entry, file, (*path, "columns", number), shared, documents)
        for number, entry in enumerate(value["columns"])
    ]
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _invalid(
            "A column is declared twice.",
            ", ".join(twice),
            "each column once",
            file.where(path),
            nearest(twice[0], ()),
        )
    return TableContract(
        f"{file.value['$id']}#/tables/{name}", value["description"], tuple(columns), file.where(path)
    )


def _column(
    entry: Mapping[str, Any],
    file: Located,
    path: JsonPath,
    shared: Mapping[str, Any],
    documents: Mapping[str, Any],
) -> Column:
    full = full_column(entry, shared, file.where((*path, USE)))
    if USE in entry:  # what the entry adds was not compared with a type yet
        place: dict[JsonPath, Mark] = {
            (): file.mark_of(path),
            **{(key,): file.mark_of((*path, key)) for key in full},
        }
        for problem in document_problems(documents, _OWN, Located(full, file.name, place)):
            raise problem
    if not is_name(COLUMN, full["name"]):
        raise _invalid(
            "A column has a name that none may have.",
            repr(full["name"])[:200],
            COLUMN.pattern,
            file.where(path),
        )
    return Column(**full, where=file.where(path))


def _invalid(what: str, found: str, expected: str, where: str, do: str = "") -> ContractError:
    return ContractError("SHELL.CONTRACT_INVALID", what, found, expected, where, do)

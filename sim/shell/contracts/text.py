"""Contracts as rows of text: what a dataset, config pack, kernel, stream or vocabulary is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.ground.contract_types import AFTER, Artefact, Column, Contracts, Dataset, TableContract, nearest
from sim.ground.errors import UsageError
from sim.shell.contracts.lint_tables import INPUT_TABLE

_HEADERS = ("column", "type", "", "known", "unit", "range", "encoding", "meaning")


@dataclass(frozen=True)
class ContractText:
    """One contract, readable.

    Attributes:
        kind: dataset, input, config, kernel, stream or vocabulary.
        facts: Label and text of what is said once.
        headers, rows: What is said for each column, argument or value.
        document: The contract as JSON.
    """

    kind: str
    id: str
    about: str
    facts: Sequence[tuple[str, str]]
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    document: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {"kind": self.kind, "id": self.id, "contract": dict(self.document)}


def listing(contracts: Contracts) -> list[tuple[str, str, str]]:
    """(kind, id, about) of everything declared."""
    rows = [("dataset", dataset.id, dataset.description) for dataset in contracts.datasets.values()]
    rows += [("input", name, table.description) for name, table in _inputs(contracts).items()]
    rows += [("config", artefact.id, artefact.description) for artefact in contracts.artefacts.values()]
    rows += [("kernel", name, str(kernel["why"])) for name, kernel in contracts.kernels.items()]
    rows += [("stream", name, stream.entity) for name, stream in contracts.streams.items()]
    rows += [("vocabulary", name, f"{len(values)} values") for name, values in contracts.vocabularies.items()]
    rows += [
        ("vocabulary", name, f"{table}.{column} of the reference snapshot")
        for name, (table, column) in contracts.reference_vocabularies.items()
    ]
    return rows


def contract_rows(contracts: Contracts, id: str, readers: Mapping[str, Sequence[str]]) -> ContractText:
    """One contract by id.

    Args:
        contracts: Compiled contracts.
        id: Of a dataset, input, config pack, kernel, stream or vocabulary.
        readers: Dataset id -> ids of the states that read it (`Model.readers`).

    Raises:
        UsageError: If nothing of that id is declared.
    """
    if id in contracts.datasets:
        return _dataset(contracts.datasets[id], readers.get(id, ()))
    inputs = _inputs(contracts)
    if id in inputs:
        given = inputs[id]
        document = {"description": given.description, "columns": [_said(column) for column in given.columns]}
        return ContractText(
            "input",
            id,
            given.description,
            [("given by", "users")],
            _HEADERS,
            _columns(given.columns),
            document,
        )
    if id in contracts.artefacts:
        return _artefact(contracts, contracts.artefacts[id])
    if id in contracts.kernels:
        return _kernel(id, contracts.kernels[id])
    if id in contracts.streams:
        stream = contracts.streams[id]
        said = ("state", "entity", "c0", "c1", "draws", "blocks", "scope")
        facts = [(name, str(getattr(stream, name))) for name in said]
        rows = [(field.name, str(field.bits), field.text, field.meaning) for field in stream.all_fields]
        about = stream.description or stream.entity
        return ContractText(
            "stream", id, about, facts, ("field", "bits", "made of", "meaning"), rows, stream.document()
        )
    if id in contracts.vocabularies:
        values = contracts.vocabularies[id]
        return ContractText(
            "vocabulary",
            id,
            f"{len(values)} values in code order",
            (),
            ("code", "value"),
            [(str(n), v) for n, v in enumerate(values)],
            {"values": list(values)},
        )
    if id in contracts.reference_vocabularies:
        table, column = contracts.reference_vocabularies[id]
        return ContractText(
            "vocabulary",
            id,
            f"{table}.{column} of the reference snapshot, in file order",
            (),
            (),
            (),
            {"table": table, "column": column},
        )
    known = [name for _, name, _ in listing(contracts)]
    raise UsageError("SHELL.UNKNOWN_CONTRACT", f"nothing called {id!r} is declared", do=nearest(id, known))


def _dataset(dataset: Dataset, readers: Sequence[str]) -> ContractText:
    facts = [
        ("path", "/".join([dataset.path, *(f"{key}=.." for key in dataset.partitioning)])),
        ("made by", dataset.produced_by),
        ("published", "always" if dataset.required else f"when {dataset.published_when}"),
        ("read by", ", ".join(readers) or "users only"),
        ("primary key", ", ".join(dataset.primary_key)),
        ("sorted by", ", ".join(dataset.sort_order)),
    ]
    facts += [
        ("foreign key", f"({', '.join(key.columns)}) -> {key.dataset} ({', '.join(key.to)})")
        for key in dataset.foreign_keys
    ]
    facts += [
        ("invariant", f"{invariant.kind} {_plain(invariant.params)}") for invariant in dataset.invariants
    ]
    rows = _columns(dataset.table.columns)
    document = {
        "description": dataset.description,
        "path": dataset.path,
        "partitioning": list(dataset.partitioning),
        "produced_by": dataset.produced_by,
        "status": "required" if dataset.required else "optional",
        "published_when": {name: value for name, value in vars(dataset.published_when).items() if value}
        if dataset.published_when
        else None,
        "consumed_by": list(readers),
        "primary_key": list(dataset.primary_key),
        "sort_order": list(dataset.sort_order),
        "foreign_keys": [
            {"columns": list(key.columns), "dataset": key.dataset, "to": list(key.to)}
            for key in dataset.foreign_keys
        ],
        "invariants": [
            {"kind": invariant.kind, **_plain(invariant.params)} for invariant in dataset.invariants
        ],
        "columns": [
            {name: value for name, value in vars(column).items() if value not in (None, "")}
            for column in dataset.table.columns
        ],
    }
    return ContractText("dataset", dataset.id, dataset.description, facts, _HEADERS, rows, document)


def _columns(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    return [
        (
            c.name,
            _type(c),
            "null" if c.nullable else "",
            "after" if c.role == AFTER else "",
            c.unit,
            _bounds(c),
            c.encoding or "",
            c.description,
        )
        for c in columns
    ]


def _inputs(contracts: Contracts) -> dict[str, TableContract]:
    """Tables that users supply: described like any other, and belonging to no dataset."""
    tables = ((table.id.rpartition("/")[2], table) for table in contracts.tables.values())
    return {name: table for name, table in tables if INPUT_TABLE.fullmatch(name)}


def _said(column: Column) -> dict[str, Any]:
    """What a contract says of a column, as it says it."""
    default = Column(column.name, column.type)
    said = {
        name: value
        for name, value in vars(column).items()
        if name != "where" and value != getattr(default, name)
    }
    return {"name": column.name, "type": column.type, **said}


def _artefact(contracts: Contracts, artefact: Artefact) -> ContractText:
    facts = [("file", f"config/{artefact.path}"), ("role", artefact.role), ("schema", artefact.schema)]
    name, _, pointer = artefact.schema.partition("#")
    schema: Any = contracts.documents[name]
    for part in pointer.strip("/").split("/"):
        schema = schema[part]
    rows = [
        (
            key,
            str(value.get("type", "")),
            "required" if key in schema.get("required", ()) else "",
            str(value.get("description", "")),
        )
        for key, value in schema.get("properties", {}).items()
    ]
    return ContractText(
        "config",
        artefact.id,
        artefact.description,
        facts,
        ("key", "type", "", "meaning"),
        rows,
        {"path": artefact.path, "role": artefact.role, "schema": schema},
    )


def _kernel(id: str, kernel: Mapping[str, Any]) -> ContractText:
    facts = [("one thread", str(kernel["thread"])), ("arithmetic", str(kernel["arithmetic"]))]
    facts += [
        ("draws", f"{stream.get('name', '')} {stream['draws']}: {stream['address']}".strip())
        for stream in kernel["streams"]
    ]
    facts += [("refuses", f"{error['name']}: {error['message']}") for error in kernel["errors"]]
    rows = [
        (
            str(arg["name"]),
            str(arg["dtype"]),
            str(arg["kind"]),
            str(arg.get("dir", "in")),
            str(arg.get("dim", "n" if arg["kind"] == "column" else "")),
            str(arg.get("doc", "")),
        )
        for arg in kernel["args"]
    ]
    return ContractText(
        "kernel",
        id,
        str(kernel["why"]),
        facts,
        ("argument", "dtype", "kind", "dir", "length", "meaning"),
        rows,
        kernel,
    )


def _type(column: Column) -> str:
    return f"category {column.vocabulary}" if column.vocabulary else column.type


def _bounds(column: Column) -> str:
    if column.minimum is None and column.maximum is None:
        return ""
    return (
        f"{'' if column.minimum is None else column.minimum} .. "
        f"{'' if column.maximum is None else column.maximum}"
    )


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}

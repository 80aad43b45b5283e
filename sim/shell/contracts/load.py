"""Read and compile `contracts/`: parse every file strictly, validate it, turn it into dataclasses.

    contracts/vocabularies.yaml            closed lists of category values
    contracts/columns.yaml                 columns that mean the same in many tables
    contracts/**/schemas*.yaml             table contracts and document schemas
    contracts/**/dictionary*.yaml          datasets
    contracts/**/registry*.yaml            config packs
    contracts/kernels/*.yaml  rng/*.yaml   kernels, random streams
    contracts/meta/*.yaml                  the schemas of all of these

`contracts/decisions/` is prose for people, and `contracts/answers/` says what commands print (`answers.py`).
Neither is part of the world's identity. The loader reads all files before it reports anything, so one run of
`closedworld contracts lint` shows every broken file. It derives what entries leave out (`defaults.py`),
and the datasets of random events from the streams (`event_tables.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sim.ground.contract_types import (
    NATURAL,
    Artefact,
    Blind,
    Contracts,
    Dataset,
    ForeignKey,
    Invariant,
    Numbers,
    Switch,
    TableContract,
)
from sim.ground.errors import ContractError
from sim.ground.identity import canonical_json, contracts_digest, sha256_bytes
from sim.ground.names import CONTRACT_PATH, DATASET, PARTITION_KEY, is_name
from sim.ground.read_once import MAX_BYTES, Folder
from sim.shell.contracts.defaults import artefact_defaults, dataset_defaults, dataset_path, folder_of, kind_of
from sim.shell.contracts.event_tables import event_checks, event_contract, event_dataset
from sim.shell.contracts.load_streams import compile_streams
from sim.shell.contracts.proofs import prove_once
from sim.shell.contracts.schema_check import combine, document_problems, resolve, validate_document
from sim.shell.contracts.schema_rules import schema_problems
from sim.shell.contracts.strict_yaml import JsonPath, Located, load_bytes, load_from
from sim.shell.contracts.tables import build_tables

__all__ = ["load_contracts", "validate_document"]

OUTSIDE = ("decisions/", "answers/")
"""What is no part of a world's identity: its wording may change and no run id moves."""


def load_contracts(root: Path) -> Contracts:
    """Everything under `root`, compiled; compiled once for as long as no file has other bytes.

    Each file is read once a call.

    Raises:
        ContractError: `SHELL.YAML_INVALID`, `SHELL.DOCUMENT_INVALID`, `SHELL.SCHEMA_REF_UNRESOLVED`, or
            `SHELL.CONTRACT_INVALID` when problems of several kinds were found; all problems are listed.
    """
    folder = Folder(root, "SHELL.CONTRACTS_UNREADABLE", "The contracts cannot be read.")
    names = (
        [name for name in folder.below("", ".yaml") if not name.startswith(OUTSIDE)] if root.is_dir() else []
    )
    if not names:
        raise ContractError(
            "SHELL.CONTRACTS_MISSING",
            "There are no contracts here.",
            "no .yaml file",
            "a contracts folder",
            str(root),
            "check --contracts",
        )
    problems: list[ContractError] = []
    for name in names:
        try:
            load_from(folder, name, f"{root.name}/{name}")
        except ContractError as error:
            if error.code == folder.code:
                raise
            problems.append(error)
    combine(problems, "The contracts cannot be read")
    return _compile(root, tuple((name, folder.read(name, MAX_BYTES).data) for name in names))


@lru_cache(maxsize=4)
def _compile(root: Path, files: tuple[tuple[str, bytes], ...]) -> Contracts:
    located = {relative: load_bytes(data, f"{root.name}/{relative}") for relative, data in files}
    problems = [
        problem for relative, file in located.items() for problem in _identity_problems(relative, file)
    ]
    combine(problems, "The contracts cannot be read")
    documents = {_name(relative): file.value for relative, file in located.items()}

    def well_formed() -> None:
        problems = [
            problem
            for relative, file in located.items()
            for problem in _file_problems(documents, relative, file)
        ]
        combine(problems, "The contracts are not well formed")

    prove_once("contracts", [("contracts", contracts_digest(_digests(located).items()))], well_formed)
    return _Builder(root, located, documents).build()


def _digests(located: Mapping[str, Located]) -> dict[str, str]:
    """SHA-256 of each file's content, by relative path."""
    return {relative: sha256_bytes(canonical_json(file.value)) for relative, file in located.items()}


def _name(relative: str) -> str:
    """The absolute name of a contract file."""
    return f"closedworld:{relative.removesuffix('.yaml')}"


def _identity_problems(relative: str, file: Located) -> list[ContractError]:
    expected = _name(relative)
    if kind_of(relative) is None:
        return [
            _invalid(
                "This file has no place in contracts/.", relative, "one of the known file kinds", file.where()
            )
        ]
    if isinstance(file.value, dict) and kind_of(relative) in ("kernel", "streams"):
        # Nothing refers to kernels and streams by reference, so their names may go without saying.
        file.value.setdefault("$id", expected)
    if not isinstance(file.value, dict) or file.value.get("$id") != expected:
        found = repr(file.value.get("$id")) if isinstance(file.value, dict) else type(file.value).__name__
        return [
            _invalid(
                "A contract file must begin with its own $id.",
                found,
                f"$id: {expected}",
                file.where(("$id",)),
            )
        ]
    return []


def _file_problems(documents: Mapping[str, Any], relative: str, file: Located) -> list[ContractError]:
    kind = kind_of(relative)
    problems: list[ContractError] = []
    if kind == "meta":
        return schema_problems(documents, file, ())
    if f"closedworld:meta/{kind}" not in documents:
        return [
            _invalid(
                f"There is no meta-schema for {kind} files.",
                "nothing",
                f"contracts/meta/{kind}.yaml",
                file.where(),
            )
        ]
    problems += document_problems(documents, f"closedworld:meta/{kind}", file)
    if not problems and kind == "schemas":
        for name in file.value.get("documents", {}):
            problems += schema_problems(documents, file, ("documents", name))
    return problems


def _invalid(what: str, found: str, expected: str, where: str, do: str = "") -> ContractError:
    return ContractError("SHELL.CONTRACT_INVALID", what, found, expected, where, do)


class _Builder:
    """Turns validated files into dataclasses; ids must be unique over all files."""

    def __init__(self, root: Path, located: Mapping[str, Located], documents: Mapping[str, Any]) -> None:
        self.root, self.located, self.documents = root, located, documents
        self.problems: list[ContractError] = []
        self.places: dict[tuple[str, str], str] = {}
        self.tables, problems = build_tables(located, documents)
        combine(problems, "The contracts do not fit together")
        self.homes: dict[tuple[str, str, str], str] = {}
        for relative, file in located.items():
            for part in ("tables", "documents") if kind_of(relative) == "schemas" else ():
                for name in file.value.get(part, {}):
                    if self.once(f"{part[:-1]} of {folder_of(relative)}", name, file.where((part, name))):
                        self.homes[(folder_of(relative), part, name)] = f"{file.value['$id']}#/{part}/{name}"

    def build(self) -> Contracts:
        datasets: dict[str, Dataset] = {}
        artefacts: dict[str, Artefact] = {}
        kernels: dict[str, Mapping[str, Any]] = {}
        drawn: list[Located] = []
        checks: dict[str, tuple[str, ...]] = {}
        vocabularies: Mapping[str, Any] = {"vocabularies": {}, "from_reference": {}}
        for relative, file in self.located.items():
            kind, value = kind_of(relative), file.value
            if kind == "vocabularies":
                vocabularies = value
                for name in value["vocabularies"]:
                    self.once("vocabulary", name, file.where(("vocabularies", name)))
                for name in value["from_reference"]:
                    self.once("vocabulary", name, file.where(("from_reference", name)))
            elif kind == "dictionary":
                for number, entry in enumerate(value["datasets"]):
                    path: JsonPath = ("datasets", number)
                    if self.once("dataset", entry["id"], file.where(path)):
                        self.attempt(
                            datasets,
                            entry["id"],
                            lambda e=entry, p=path, f=file, r=relative: self.dataset(e, r, f, p),
                        )
            elif kind == "registry":
                for number, entry in enumerate(value["artefacts"]):
                    path = ("artefacts", number)
                    if self.once("artefact", entry["id"], file.where(path)):
                        self.attempt(
                            artefacts,
                            entry["id"],
                            lambda e=entry, p=path, f=file, r=relative: self.artefact(e, r, f, p),
                        )
                for state, names in value.get("checks", {}).items():
                    if self.once("state's list of checks", state, file.where(("checks", state))):
                        checks[state] = tuple(names)
            elif kind == "kernel":
                if value["name"] != Path(relative).stem:
                    where = file.where(("name",))
                    self.problems.append(
                        _invalid("A kernel is called as its file.", value["name"], Path(relative).stem, where)
                    )
                kernels[value["name"]] = value
            elif kind == "streams":
                drawn.append(file)
        streams, problems = compile_streams(drawn, self.once)
        self.problems += problems
        combine(self.problems, "The contracts do not fit together")
        drawing = sorted((each for each in streams.values() if each.state), key=lambda each: each.state)
        made = tuple(datasets.values())
        for stream in drawing:
            id, where = event_dataset(stream.id), self.places[("stream", stream.id)]
            if self.once("dataset", id, where):
                self.attempt(datasets, id, partial(event_contract, stream, made, self.tables, where))
        for state, names in event_checks(drawing).items():
            if self.once("state's list of checks", state, ""):
                checks[state] = names
        combine(self.problems, "The contracts do not fit together")
        files = _digests(self.located)
        return Contracts(
            root=self.root,
            digest=contracts_digest(files.items()),
            files=files,
            vocabularies={name: tuple(values) for name, values in vocabularies["vocabularies"].items()},
            reference_vocabularies={
                name: (at["table"], at["column"]) for name, at in vocabularies["from_reference"].items()
            },
            datasets=datasets,
            artefacts=artefacts,
            kernels=kernels,
            streams=streams,
            checks=checks,
            confusions=vocabularies.get("confusions", {}),
            tables=self.tables,
            documents=self.documents,
            located=self.located,
        )

    def once(self, kind: str, id: str, where: str) -> bool:
        """Whether `id` is new; a second use is a problem naming the first."""
        first = self.places.setdefault((kind, id), where)
        if first == where:
            return True
        self.problems.append(
            _invalid(f"A {kind} is declared twice.", f"{id}, first at {first}", "each id once", where)
        )
        return False

    def attempt(self, into: dict[str, Any], id: str, make: Any) -> None:
        try:
            into[id] = make()
        except ContractError as error:
            self.problems.append(error)

    def home(self, relative: str, part: str, name: str) -> str:
        """The reference of the named table or document, in whichever schemas file of the folder it is."""
        folder = folder_of(relative)
        return self.homes.get((folder, part, name), f"{_name(folder)}/schemas#/{part}/{name}")

    def artefact(self, entry: Mapping[str, Any], relative: str, file: Located, path: JsonPath) -> Artefact:
        segment, layer = file.value["segment"], file.value["layer"]
        defaults = artefact_defaults(entry, segment, layer, self.home(relative, "documents", entry["id"]))
        full = {**defaults, **entry}
        if full["schema"] not in self.homes.values():
            resolve(self.documents, full["schema"], file.where((*path, "schema")))
        return Artefact(**full, segment=segment, layer=layer, where=file.where(path))

    def dataset(self, entry: Mapping[str, Any], relative: str, file: Located, path: JsonPath) -> Dataset:
        segment, layer = file.value["segment"], entry["layer"] if "layer" in entry else file.value["layer"]
        full = {**dataset_defaults(entry, self.home(relative, "tables", entry["id"])), **entry}
        at = dataset_path(entry["id"], segment, layer, entry["produced_by"])
        # These become SQL identifiers and paths, whatever meta-schemas a contracts folder brings with it.
        named = [(DATASET, "id", entry["id"]), (CONTRACT_PATH, "path", at)]
        for kind, key, name in [
            *named,
            *((PARTITION_KEY, "partitioning", name) for name in full["partitioning"]),
        ]:
            if not is_name(kind, name):
                raise _invalid(
                    f"A dataset has a {key} that none may have.",
                    repr(name)[:200],
                    kind.pattern,
                    file.where((*path, key)),
                )
        return Dataset(
            id=entry["id"],
            segment=segment,
            layer=layer,
            description=entry["description"],
            path=at,
            partitioning=tuple(full["partitioning"]),
            table=self.table(full["schema"], file.where((*path, "schema"))),
            primary_key=tuple(full["primary_key"]),
            sort_order=tuple(full["sort_order"]),
            foreign_keys=tuple(
                ForeignKey(tuple(key["columns"]), key["dataset"], tuple(key["to"]))
                for key in entry.get("foreign_keys", ())
            ),
            invariants=tuple(
                Invariant(
                    rule["kind"], {name: _frozen(value) for name, value in rule.items() if name != "kind"}
                )
                for rule in entry.get("invariants", ())
            ),
            numbers=tuple(Numbers(**rule) for rule in entry.get("numbers", ())),
            blind=tuple(Blind(rule["id"], tuple(rule["to"])) for rule in entry.get("blind", ())),
            row_groups=entry.get("row_groups"),
            made_in=entry.get("made_in", NATURAL),
            produced_by=entry["produced_by"],
            required="published_when" not in entry,
            published_when=Switch(**entry["published_when"]) if "published_when" in entry else None,
            where=file.where(path),
        )

    def table(self, ref: str, where: str) -> TableContract:
        """The table a reference names."""
        if ref not in self.tables:
            resolve(self.documents, ref, where)  # says what is wrong with most references
            raise _invalid("A dataset is of no table.", ref, "<$id>#/tables/<name> of a schemas file", where)
        return self.tables[ref]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

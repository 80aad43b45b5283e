"""The compiled contracts as frozen dataclasses: what every other module of the shell reads.

This module reads no file. `sim.shell.contracts` builds these classes from `contracts/` and lints them;
`sim.shell.tables` checks tables against them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.ground.errors import ContractError

# Column type -> numpy dtype of the Frame column. `string` columns are numpy object arrays of str.
# Files hold an `id` as int64, because Spark, Delta, Iceberg, Postgres and Java have no unsigned 64-bit
# number. States hold it as uint64: random addresses are unsigned, and within `ID_BOUNDS` both are the same
# bits.
NUMPY_DTYPES: Mapping[str, str] = {
    "id": "uint64",
    "uint64": "uint64",
    "int64": "int64",
    "uint32": "uint32",
    "int32": "int32",
    "uint16": "uint16",
    "int16": "int16",
    "uint8": "uint8",
    "int8": "int8",
    "bool": "bool",
    "float64": "float64",
    "timestamp_us": "int64",
    "date": "int32",
    "category": "int16",
    "string": "object",
}
COLUMN_TYPES = tuple(NUMPY_DTYPES)
INTEGERS = tuple(name for name, dtype in NUMPY_DTYPES.items() if "int" in dtype and name != "category")
"""Types whose values are whole numbers with an order: ids, times and dates too."""
ID_BOUNDS = (1, 2**63 - 1)
MOST_GROUPS = 1 << 20
"""Values of a column that row groups follow are smaller."""
NATURAL, PUBLISHED = "natural", "published"
"""Orders in which states make the rows of a dataset."""
REQUEST, AFTER = "request", "after"
"""Roles of columns."""
ENCODINGS = ("plain", "delta", "dictionary", "byte_stream_split")
PARTITION_KEYS = ("seed", "manifest_fingerprint", "scenario_id")
SCENARIO_KEY = PARTITION_KEYS[-1]


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence for an error's `do`: the known name closest to `name`, or a few known names.

    Names of three letters or fewer get no suggestion: they are codes, and codes that look alike mean
    different things. `hints.code_hint` suggests codes.
    """
    names = sorted(known)
    close = (
        difflib.get_close_matches(name[:256], [other for other in names if len(other) > 3], n=1, cutoff=0.5)
        if len(name) > 3
        else []
    )
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "nothing is declared here yet"
    return "known: " + ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


@dataclass(frozen=True)
class Column:
    """One column of a table contract.

    Attributes:
        type: One of `COLUMN_TYPES`.
        unit: Physical unit or scale, empty when there is none.
        minimum: Smallest allowed value, `None` when unbounded. Unused for category, string and bool; of an id
            it is the first of `ID_BOUNDS`, and `maximum` the second.
        maximum: Largest allowed value, likewise.
        vocabulary: Name of the vocabulary of a category column, else `None`.
        encoding: Parquet encoding, one of `ENCODINGS`, or `None` for the writer's default.
        set: Set whose members an id numbers 1 .. N, or `None`; `Dataset.numbers` of one dataset counts them.
        role: `REQUEST`: known when an answer is asked for; `AFTER`: only later, so no feature of a model.
        where: `file:line:col` of its declaration.
    """

    name: str
    type: str
    nullable: bool = False
    unit: str = ""
    minimum: int | float | None = None
    maximum: int | float | None = None
    vocabulary: str | None = None
    encoding: str | None = None
    description: str = ""
    set: str | None = None
    role: str = REQUEST
    where: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.type == "id":
            for name, bound in zip(("minimum", "maximum"), ID_BOUNDS, strict=True):
                object.__setattr__(self, name, bound)

    @property
    def numpy_dtype(self) -> str:
        """The numpy dtype name of the Frame column."""
        return NUMPY_DTYPES[self.type]


@dataclass(frozen=True)
class TableContract:
    """Columns of a table, in contract order (which is file order and digest order)."""

    id: str
    description: str
    columns: tuple[Column, ...]
    where: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in contract order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            ContractError: `SHELL.UNKNOWN_COLUMN`.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(
            code="SHELL.UNKNOWN_COLUMN",
            what=f"Table {self.id} has no column {name!r}.",
            where=self.where,
            found=name,
            expected="a declared column",
            do=nearest(name, self.names),
        )


@dataclass(frozen=True)
class ForeignKey:
    """`columns` of this dataset name rows of `dataset` by its columns `to`."""

    columns: tuple[str, ...]
    dataset: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Invariant:
    """A rule for rows or groups of a dataset: a kind of `sim/shell/tables/invariants.py`, its parameters."""

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """A dataset's column `column` numbers the members of `set`, in blocks.

    A block has the members of one value of `by`: a category, or a number of another set, for its block.
    Without `by` there is one block.
    """

    set: str
    column: str
    by: str | None = None


@dataclass(frozen=True)
class Blind:
    """The published id `id`, a number of a set, must say nothing of the columns `to`.

    `rows` among them is the number of rows that share the id.
    """

    id: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Switch:
    """The switch of an optional dataset: `key` of config pack `config`, or the user's input `external`.

    A run publishes the dataset if the key is true, or if the user gives the input.
    """

    config: str | None = None
    key: str = ""
    external: str = ""

    def __str__(self) -> str:
        return f"{self.config}.{self.key} is true" if self.config else f"the run is given {self.external}"


@dataclass(frozen=True)
class Dataset:
    """One entry of a segment's dataset dictionary, with its table contract resolved.

    Attributes:
        row_groups: Column of which files have a row group a value, or None.
        made_in: Order in which its state makes rows: `NATURAL` numbers, or `PUBLISHED` ones (holding natural
            ones), which is that of its files. Readers get rows in the order in which they were made.
        required: Whether every run publishes it; if not, `published_when` says which do
            (`sim/state/switches.py`).

    Who reads it is declared by the states that do (`Model.readers`), and nowhere else.
    """

    id: str
    segment: str
    layer: int
    description: str
    path: str
    partitioning: tuple[str, ...]
    table: TableContract
    primary_key: tuple[str, ...]
    sort_order: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    numbers: tuple[Numbers, ...] = ()
    blind: tuple[Blind, ...] = ()
    row_groups: str | None = None
    made_in: str = NATURAL
    produced_by: str = ""
    required: bool = True
    published_when: Switch | None = None
    where: str = ""

    @property
    def numbered(self) -> bool:
        """Whether its files hold other numbers than states see: a column is a number of a set."""
        return any(column.set is not None for column in self.table.columns)


@dataclass(frozen=True)
class Artefact:
    """One config pack of a segment's artefact registry; `path` is relative to the config root."""

    id: str
    segment: str
    layer: int
    path: str
    schema: str
    role: str
    description: str = ""
    where: str = ""


@dataclass(frozen=True)
class Contracts:
    """Everything under `contracts/`, compiled once.

    Attributes:
        digest: SHA-256 hex over the sorted (relative path, SHA-256 of canonical JSON of the parsed content).
        vocabularies: Static vocabularies, name -> ordered values.
        reference_vocabularies: Name -> (reference table, column); filled from the reference snapshot at run
            time.
        kernels: Kernel name -> the parsed kernel contract.
        streams: The `sim.rng.Streams`, by id: this room lies below theirs.
        checks: State id -> names of the model checks it must have run, `*` for any text.
        files: Relative path -> SHA-256 hex of canonical JSON of the parsed content; what `digest` is made of.
        confusions: Vocabulary -> what people write for one of its values, in lower case -> that value.
        tables: Reference, as datasets name it, -> table: those of datasets and those of users' inputs.
        documents: `$id` -> parsed content of every contract file (what references resolve against).
        located: Relative path -> the parsed file with its line numbers, for errors.
    """

    root: Path
    digest: str
    vocabularies: Mapping[str, tuple[str, ...]]
    reference_vocabularies: Mapping[str, tuple[str, str]]
    datasets: Mapping[str, Dataset]
    artefacts: Mapping[str, Artefact]
    kernels: Mapping[str, Mapping[str, Any]]
    streams: Any
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    confusions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: Mapping[str, TableContract] = field(default_factory=dict, repr=False)
    documents: Mapping[str, Any] = field(default_factory=dict, repr=False)
    located: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def set_homes(self) -> Mapping[str, str]:
        """Set -> id of the dataset that numbers its members."""
        return {rule.set: dataset.id for dataset in self.datasets.values() for rule in dataset.numbers}

    def dataset(self, id: str) -> Dataset:
        """The dataset called `id`; `ContractError SHELL.UNKNOWN_DATASET` otherwise."""
        if id not in self.datasets:
            raise _unknown("DATASET", id, self.datasets)
        return self.datasets[id]

    def artefact(self, id: str) -> Artefact:
        """The config pack called `id`; `ContractError SHELL.UNKNOWN_ARTEFACT` otherwise."""
        if id not in self.artefacts:
            raise _unknown("ARTEFACT", id, self.artefacts)
        return self.artefacts[id]


def _unknown(kind: str, id: str, known: Iterable[str]) -> ContractError:
    return ContractError(
        code=f"SHELL.UNKNOWN_{kind}",
        what=f"No contract declares the {kind.lower()} {id!r}.",
        found=id,
        expected=f"a declared {kind.lower()} id",
        do=nearest(id, known),
    )

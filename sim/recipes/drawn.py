"""How a published row finds its draws again: what the `draws.py` of a segment is made of.

A state draws at addresses that it forms from natural keys. A published row holds most of such a key in its
columns; the rest (the rank of a party in its cell, the number of an account among its owner's) follows from
rows published beside it. A `Drawn` says, of one stream and one dataset, which rows drew, with which key, and
what became of each word; `closedworld explain` shows the words found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sim.recipes.join import look_up
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

ID, UNIFORM, INTEGER, NORMAL = "id", "uniform", "integer", "normal"
CHOICE, RACE, WEIGHT, COUNT = "choice", "race", "weight", "count"
MADE: Mapping[str, str] = {
    ID: "an id: the upper 63 bits of the word",
    UNIFORM: "a number inside (0, 1)",
    INTEGER: "a whole number below a bound: the high word of word x bound",
    NORMAL: "a standard normal: the quantile of the uniform",
    CHOICE: "one of several by their weights: an alias table, or a cumulative one",
    RACE: "a place in an exponential race: -log(uniform) over the weight, the smallest win",
    WEIGHT: "the weight of a share in a cell's total: next to nothing, or lognormal of mean 1",
    COUNT: "a count by inversion of its law",
}
"""What is made of a word."""

Find: TypeAlias = Callable[[Context, Partition, Frame], Frame]
"""(Context, partition the rows came from, rows of a dataset) -> one row an address.

Its columns: `row` (int64, position in the rows); the natural key of the stream's entity, by the names of
fields in contracts/rng/streams.yaml, or as codes under the rows' own names; what `Word` names; and the law of
a WEIGHT, `idle` and `sigma`. A frame without rows needs none of them.
"""


def own_columns(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """All rows: each drew at an address made of its own columns."""
    return at(rows, np.arange(len(rows)))


def at(rows: Frame, index: Array, **fields: Array) -> Frame:
    """The rows at `index` (int64), which drew, in the form of `Find`; `fields` are further columns."""
    return rows.take(index).with_columns(None, row=index.astype(np.int64), **fields)


def where(rows: Frame, drew: Array, **fields: Array) -> Frame:
    """As `at`, for a mask."""
    return at(rows, np.flatnonzero(drew), **fields)


def position(table: Array, keys: Array) -> Array:
    """Position of each key in a column that holds it once: int64.

    Args:
        table: Keys in any order, no two alike.
        keys: Some of them.
    """
    order = np.argsort(table, kind="stable")
    found: Array = order[look_up(table[order], keys)]
    return found


@dataclass(frozen=True)
class Word:
    """One word of an address.

    Attributes:
        draw: Which draw of the entity it is, or the field that holds that.
        made: What the state made of it, of `MADE`.
        decides: What it decides in the row.
        column: Column of the row that holds what was chosen, if the word alone does not show it.
        below: Bound of an INTEGER, or the field that holds it.
        of: Field with a text to end `decides` with.
    """

    draw: int | str
    made: str
    decides: str
    column: str = ""
    below: int | str = 0
    of: str = ""


@dataclass(frozen=True)
class Drawn:
    """Draws of one stream behind the rows of one dataset.

    Attributes:
        dataset: Dataset id.
        stream: Stream id.
        words: Words of each address that the rows depend on.
        find: Which rows drew at which addresses. It may offer more than were drawn: `explain` keeps those in
            the ledger of the partition, computed again.
    """

    dataset: str
    stream: str
    words: tuple[Word, ...]
    find: Find = own_columns


@dataclass(frozen=True)
class MadeOf:
    """Rows that a row was made of and that no foreign key names.

    Attributes:
        dataset: Dataset id.
        of: Dataset of those rows.
        how: What they are to the row.
        on: Their column -> column of the row.
    """

    dataset: str
    of: str
    how: str
    on: Mapping[str, str]


Tell: TypeAlias = Callable[[Context, Partition, Frame], list[str]]
"""(Context, partition the row came from, frame of one row) -> remarks."""


@dataclass(frozen=True)
class Told:
    """Remarks on a row: figures of the law that its draws went into.

    Attributes:
        dataset: Dataset id.
        tell: Remarks of one row.
    """

    dataset: str
    tell: Tell


@dataclass(frozen=True)
class Explained:
    """How rows of some datasets are explained.

    Attributes:
        draws: Their draws.
        made_of: Rows they were made of.
        told: Remarks on their rows.
    """

    draws: tuple[Drawn, ...] = ()
    made_of: tuple[MadeOf, ...] = ()
    told: tuple[Told, ...] = ()

    def of(self, dataset: str) -> Explained:
        """What concerns one dataset."""
        return Explained(
            tuple(each for each in self.draws if each.dataset == dataset),
            tuple(each for each in self.made_of if each.dataset == dataset),
            tuple(each for each in self.told if each.dataset == dataset),
        )

    @classmethod
    def together(cls, parts: Iterable[Explained]) -> Explained:
        """All of several."""
        every = tuple(parts)
        return cls(
            tuple(each for part in every for each in part.draws),
            tuple(each for part in every for each in part.made_of),
            tuple(each for part in every for each in part.told),
        )

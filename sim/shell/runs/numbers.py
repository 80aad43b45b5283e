"""The boundary at which natural numbers become published ids, and back: for frames, by contract.

An id column names its set (`Column.set`), a base table the sets that it numbers (`Dataset.numbers`). The
blocks of a set are counted from the rows of that table and recorded with its files, so that whoever may read
the files knows them. Frames of a partition are turned round before they are checked and staged; rows that a
state reads are turned back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sim.ground.contract_types import Contracts, Dataset, Numbers
from sim.shell.tables.blind import check_blind
from sim.shell.tables.check_result import CheckResult
from sim.shell.tables.keys import compare_rows
from sim.shell.tables.permuted import Block, Blocks, Permutations, stable_order
from sim.state.frames import Array, Frame
from sim.state.records import PartFile

NUMBERS = "numbers"
"""Key of a file's blocks among what its manifest says of its keys."""

Recorded = Mapping[str, Any]
"""Set -> [label, first, count] of each block: what a manifest holds."""


class Numberings:
    """Turns frames round and back.

    Args:
        seed: The world's seed.
        contracts: Compiled contracts.
        vocabularies: All sealed lists.
        files: Files of a published dataset; only datasets that number a set are asked for.
    """

    def __init__(
        self,
        seed: int,
        contracts: Contracts,
        vocabularies: Mapping[str, tuple[str, ...]],
        files: Callable[[str], tuple[PartFile, ...]],
    ) -> None:
        self.permutations = Permutations(seed)
        self._contracts, self._vocabularies, self._files = contracts, vocabularies, files
        self._homes = {
            rule.set: dataset.id for dataset in contracts.datasets.values() for rule in dataset.numbers
        }
        self._known: dict[str, Blocks] = {}

    def blocks(self, name: str, own: Mapping[str, Blocks] | None = None) -> Blocks:
        """Blocks of a set: those of the partition at hand, or all that were published.

        Raises:
            GateError: If its base table has not been published.
        """
        if own is not None and name in own:
            return own[name]
        if name not in self._known:
            recorded = [file.keys.get(NUMBERS, {}).get(name, []) for file in self._files(self._homes[name])]
            self._known[name] = Blocks(name, [Block(*block) for file in recorded for block in file])
        return self._known[name]

    def of_frames(self, frames: Mapping[str, Frame]) -> dict[str, Blocks]:
        """Blocks of the sets that frames of a partition number, in natural numbers.

        Raises:
            ValueError: Numbers of a block are not side by side (a bug in a state).
        """
        own: dict[str, Blocks] = {}
        for dataset_id, frame in frames.items():
            for rule in self._contracts.dataset(dataset_id).numbers:
                own[rule.set] = Blocks(rule.set, self._counted(dataset_id, frame, rule, own))
        return own

    def _counted(
        self, dataset_id: str, frame: Frame, rule: Numbers, own: Mapping[str, Blocks]
    ) -> list[Block]:
        if len(frame) == 0:
            return []
        numbers = frame[rule.column]
        if rule.by is None:
            return [_block("", numbers)]
        column = self._contracts.dataset(dataset_id).table.column(rule.by)
        if column.set is not None:
            blocks = self.blocks(column.set, own)
            code = blocks.of_numbers(frame[rule.by])
            labels: tuple[str, ...] = tuple(block.label for block in blocks.blocks)
        else:
            assert column.vocabulary is not None
            code, labels = frame[rule.by], self._vocabularies[column.vocabulary]
        starts = np.flatnonzero(np.append(True, code[1:] != code[:-1])).tolist()
        return [
            _block(labels[int(code[start])], numbers[start:stop])
            for start, stop in zip(starts, [*starts[1:], len(frame)], strict=True)
        ]

    def published(self, frame: Frame, dataset: Dataset, own: Mapping[str, Blocks]) -> Frame:
        """A frame of natural numbers with published ones, in its order by these.

        A frame whose rows are not in order, or whose columns are not the contract's, stays as it is: its
        checks will say so.

        Args:
            frame: As a state made it.
            dataset: Its contract.
            own: `of_frames` of its partition.
        """
        named = [column for column in dataset.table.columns if column.set is not None]
        if not named or any(
            column.name not in frame or frame[column.name].dtype != np.uint64 for column in named
        ):
            return frame
        prefix = numbered_prefix(dataset)
        if prefix and len(frame):
            before, _ = compare_rows([frame[name] for name in prefix])
            if before.any():
                return frame
        turned = self._turned(frame, dataset, own, inverse=False)
        order = stable_order([turned[name] for name in prefix])
        return turned if order is None else turned.take(order)

    def blind(self, frame: Frame, dataset: Dataset, own: Mapping[str, Blocks]) -> list[CheckResult]:
        """Whether published rows that have passed all other checks have ids that say nothing; see `Blind`."""
        results = []
        for rule in dataset.blind:
            of = dataset.table.column(rule.id).set
            assert of is not None  # lint
            results += check_blind(frame, rule, self.blocks(of, own))
        return results

    def natural(self, frame: Frame, dataset: Dataset) -> Frame:
        """Published rows with natural numbers, in the order they have."""
        return self._turned(frame, dataset, None, inverse=True)

    def natural_order(self, frame: Frame, dataset: Dataset) -> Array | None:
        """Order of published rows by natural numbers: int64, n; None where they are in it.

        Args:
            frame: At least the columns of `numbered_prefix`.
            dataset: Their contract.
        """
        prefix = numbered_prefix(dataset)
        turned = self.natural(frame.select(*prefix), dataset) if prefix else frame
        return stable_order([turned[name] for name in prefix])

    def _turned(
        self, frame: Frame, dataset: Dataset, own: Mapping[str, Blocks] | None, inverse: bool
    ) -> Frame:
        columns = {
            name: self.permutations.map(frame[name], frame.valid.get(name), self.blocks(of, own), inverse)
            for name in frame.names
            if (of := dataset.table.column(name).set) is not None
        }
        return frame.with_columns(None, **columns) if columns else frame


def numbered_prefix(dataset: Dataset) -> tuple[str, ...]:
    """Columns that order a dataset and are numbers of a set: the first of its sort order (lint)."""
    sets = {column.name for column in dataset.table.columns if column.set is not None}
    return tuple(name for name in dataset.sort_order if name in sets)


def recorded(dataset: Dataset, own: Mapping[str, Blocks]) -> dict[str, Any]:
    """What the manifest says of the blocks that a file of a dataset numbers; empty for most datasets."""
    found = {
        rule.set: [[block.label, block.first, block.count] for block in own[rule.set].blocks]
        for rule in dataset.numbers
        if rule.set in own
    }
    return {NUMBERS: found} if found else {}


def _block(label: str, numbers: Array) -> Block:
    first = int(numbers.min())
    return Block(label, first, int(numbers.max()) - first + 1)

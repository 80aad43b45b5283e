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

from sim.ground.contract_types import NATURAL, Contracts, Dataset, Numbers
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
        self._known: dict[str, Blocks] = {}

    def blocks(self, name: str, own: Mapping[str, Blocks] | None = None) -> Blocks:
        """Blocks of a set: those of the partition at hand, or all that were published.

        Raises:
            GateError: If its base table has not been published.
        """
        if own is not None and name in own:
            return own[name]
        if name not in self._known:
            recorded = [
                file.keys.get(NUMBERS, {}).get(name, [])
                for file in self._files(self._contracts.set_homes[name])
            ]
            self._known[name] = Blocks(name, [Block(*block) for file in recorded for block in file])
        return self._known[name]

    def renumbered(self, name: str, numbers: Array, inverse: bool) -> Array:
        """Published ids of natural numbers of a set, or back; 0, the slot of a null, stays.

        Args:
            name: Set.
            numbers: uint64, n.
            inverse: Whether to go back.

        Raises:
            ValueError: Another number is none of the set (a bug in a state).
        """
        blocks = self.blocks(name)
        strange = ~blocks.holds(numbers) & (numbers != 0)
        if numbers.dtype != np.uint64 or strange.any():
            found = numbers[strange][:1].tolist() or numbers.dtype
            raise ValueError(f"{found} is no number of {name}: uint64, 1 to {blocks.end - 1}")
        return self.permutations.map(numbers, None, blocks, inverse)

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

        One that is made in published order keeps its order. A frame whose rows are not in order, or whose
        columns are not the contract's, stays as it is: its checks will say so.

        Args:
            frame: As a state made it.
            dataset: Its contract.
            own: `of_frames` of its partition.
        """
        sets = _sets(dataset)
        if not sets or any(name not in frame or frame[name].dtype != np.uint64 for name in sets):
            return frame
        prefix = numbered_prefix(dataset) if dataset.made_in == NATURAL else ()
        if prefix and len(frame):
            before, _ = compare_rows([frame[name] for name in prefix])
            if before.any():
                return frame
        turned, order = self._led(frame, prefix, sets, own)
        names, columns, valid = frame.names, dict(frame.items()), dict(frame.valid)
        del frame  # each column is let go once its like is there: two whole frames would take twice the room
        for name in names:
            natural = columns.pop(name)
            if name not in turned:
                if name in sets:
                    natural = self._mapped(natural, valid.get(name), sets[name], own, inverse=False)
                turned[name] = natural if order is None else natural[order]
        if order is not None:
            valid = {name: mask[order] for name, mask in valid.items()}
        return Frame({name: turned[name] for name in names}, valid)

    def _led(
        self, frame: Frame, prefix: tuple[str, ...], sets: Mapping[str, str], own: Mapping[str, Blocks]
    ) -> tuple[dict[str, Array], Array | None]:
        """Columns that order rows, published and in their order, and that order; None where rows stay."""
        if len(prefix) == 1:
            (name,) = prefix
            found = self.permutations.across(frame[name], self.blocks(sets[name], own), inverse=False)
            if found is not None:
                return {name: found.images()}, found.order
        turned = {
            name: self._mapped(frame[name], frame.valid.get(name), sets[name], own, inverse=False)
            for name in prefix
        }
        order = stable_order([turned[name] for name in prefix])
        return (turned if order is None else {name: turned[name][order] for name in prefix}), order

    def blind(self, frame: Frame, dataset: Dataset, own: Mapping[str, Blocks]) -> list[CheckResult]:
        """Whether published rows that have passed all other checks have ids that say nothing; see `Blind`."""
        results = []
        for rule in dataset.blind:
            of = dataset.table.column(rule.id).set
            assert of is not None  # lint
            results += check_blind(frame, rule, self.blocks(of, own))
        return results

    def natural(self, frame: Frame, dataset: Dataset, order: Array | None = None) -> Frame:
        """Published rows with natural numbers.

        Args:
            frame: Columns of the dataset.
            dataset: Its contract.
            order: Rows in the order wanted; None for that which they have.
        """
        sets = _sets(dataset)
        columns = {}
        for name, values in frame.items():
            if name in sets:
                values = self._mapped(values, frame.valid.get(name), sets[name], None, inverse=True)
            columns[name] = values if order is None else values[order]
        return Frame(
            columns, {name: mask if order is None else mask[order] for name, mask in frame.valid.items()}
        )

    def natural_order(self, frame: Frame, dataset: Dataset) -> Array | None:
        """Order of published rows by natural numbers: int64, n; None where they are in it.

        Args:
            frame: At least the columns of `numbered_prefix`.
            dataset: Their contract.
        """
        prefix = numbered_prefix(dataset)
        if len(prefix) == 1:
            known = self.blocks(_sets(dataset)[prefix[0]])
            found = self.permutations.across(frame[prefix[0]], known, inverse=True)
            if found is not None:
                return found.order
        turned = self.natural(frame.select(*prefix), dataset) if prefix else frame
        return stable_order([turned[name] for name in prefix])

    def _mapped(
        self,
        numbers: Array,
        valid: Array | None,
        of: str,
        own: Mapping[str, Blocks] | None,
        inverse: bool,
    ) -> Array:
        return self.permutations.map(numbers, valid, self.blocks(of, own), inverse)


def _sets(dataset: Dataset) -> dict[str, str]:
    """Set of each column that is a number of one."""
    return {column.name: column.set for column in dataset.table.columns if column.set is not None}


def numbered_prefix(dataset: Dataset) -> tuple[str, ...]:
    """Columns that order a dataset and are numbers of a set: the first of its sort order (lint)."""
    sets = _sets(dataset)
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

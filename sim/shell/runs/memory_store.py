"""Rows held in memory, as a store gives them: for states that are computed and not published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sim.ground.contract_types import NATURAL, Contracts
from sim.shell.runs.grouped import no_rows, require_grouped
from sim.shell.runs.numbers import Numberings, recorded
from sim.shell.tables.row_groups import groups_of, rows_by_value
from sim.state.frames import Array, Frame, concat
from sim.state.inputs import ReferenceTables
from sim.state.records import PartFile, Published


class MemoryStore:
    """What `Store` gives a state, out of frames.

    Args:
        vocabularies: Every closed list by name, in code order.
        reference: The reference snapshot.
        contracts: Compiled contracts.
        seed: The world's seed, of which published ids are permutations.

    Attributes:
        parts: Dataset -> a frame a partition, in the order of partitions.
    """

    keeps = 1 << 30
    """See `Store.keeps`."""

    def __init__(
        self,
        vocabularies: Mapping[str, tuple[str, ...]],
        reference: ReferenceTables,
        contracts: Contracts,
        seed: int,
    ) -> None:
        self.vocabularies = vocabularies
        self.reference = reference
        self._contracts, self._seed = contracts, seed
        self.parts: dict[str, list[Frame]] = {}

    def held(self, dataset: str, scenario: str | None) -> list[Frame]:
        """The frames of a dataset; these are the same in every scenario."""
        return self.parts[dataset]

    def published(self, dataset: str, scenario: str | None = None) -> Published:
        """See `Store.published`: files that have rows and nothing else."""
        frames = self.held(dataset, scenario)
        files = tuple(
            PartFile(f"part-{number:05d}.parquet", 0, len(frame), "", "")
            for number, frame in enumerate(frames)
        )
        return Published(dataset, scenario, "", files, "")

    def load(
        self,
        dataset: str,
        scenario: str | None = None,
        *,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
        as_filed: bool = False,
    ) -> Frame:
        """Rows of a dataset; see `Context.load`."""
        frames, contract = self.held(dataset, scenario), self._contracts.datasets.get(dataset)
        if as_filed and contract is not None and contract.made_in == NATURAL:
            numberings = self._numberings()
            frames = [
                numberings.natural(numberings.published(frame, contract, {}), contract) for frame in frames
            ]
        frame = frames[part] if part is not None else concat(frames)
        frame = frame.slice(*rows) if rows is not None else frame
        return frame.select(*columns) if columns is not None else frame

    def load_groups(
        self,
        dataset: str,
        scenario: str | None,
        low: int,
        high: int,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of some values of the column that row groups follow; see `Context.load_groups`."""
        contract = self._contracts.dataset(dataset)
        require_grouped(contract)
        assert contract.row_groups is not None
        frames = self.held(dataset, scenario)
        values = [frame[contract.row_groups] for frame in frames]
        chosen = [
            frame.take((value >= low) & (value < high)) for frame, value in zip(frames, values, strict=True)
        ]
        names = contract.table.names if columns is None else tuple(columns)
        return concat(chosen).select(*names) if chosen else no_rows(contract, names)

    def group_rows(self, dataset: str, scenario: str | None = None) -> Array:
        """Rows of each value of the column that row groups follow; see `Context.group_rows`."""
        contract = self._contracts.dataset(dataset)
        require_grouped(contract)
        assert contract.row_groups is not None
        counted = [groups_of(frame, contract.row_groups) for frame in self.held(dataset, scenario)]
        return rows_by_value([[(value, rows) for value, rows in groups] for groups in counted])

    def renumbered(self, name: str, numbers: Array, inverse: bool) -> Array:
        """Published ids of natural numbers of a set, or back; see `Context.published`."""
        return self._numberings().renumbered(name, numbers, inverse)

    def _numberings(self) -> Numberings:
        """Of the rows that are held now."""
        return Numberings(self._seed, self._contracts, self.vocabularies, self._numbered)

    def _numbered(self, dataset: str) -> tuple[PartFile, ...]:
        """A base table's frames as files that record the blocks that they number."""
        contract, files = self._contracts.dataset(dataset), self.published(dataset).files
        blocks = [self._numberings().of_frames({dataset: frame}) for frame in self.held(dataset, None)]
        return tuple(
            replace(file, keys=recorded(contract, own)) for file, own in zip(files, blocks, strict=True)
        )

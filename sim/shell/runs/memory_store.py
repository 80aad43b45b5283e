"""Rows held in memory, as a store gives them: for states that are computed and not published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.state.frames import Frame, concat
from sim.state.inputs import ReferenceTables
from sim.state.records import PartFile, Published


class MemoryStore:
    """What `Store` gives a state, out of frames.

    Args:
        vocabularies: Every closed list by name, in code order.
        reference: The reference snapshot.

    Attributes:
        parts: Dataset -> a frame a partition, in the order of partitions.
    """

    def __init__(self, vocabularies: Mapping[str, tuple[str, ...]], reference: ReferenceTables) -> None:
        self.vocabularies = vocabularies
        self.reference = reference
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
    ) -> Frame:
        """Rows of a dataset; see `Context.load`."""
        frames = self.held(dataset, scenario)
        frame = frames[part] if part is not None else concat(frames)
        frame = frame.slice(*rows) if rows is not None else frame
        return frame.select(*columns) if columns is not None else frame

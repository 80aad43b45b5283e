"""Where a state's inputs come from: published files behind their gate, rows in memory, or rows of a test.

`sim.shell.runs.store` gives the published rows of a run, `sim.shell.runs.memory_store` rows that are computed
and never published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from sim.backends.protocol import ParquetReader
from sim.state.frames import Array, Frame
from sim.state.records import Published


class ReferenceTables(Protocol):
    """Small sealed tables of the real world."""

    def frame(self, name: str, vocabularies: Mapping[str, tuple[str, ...]]) -> Frame:
        """A table: `country_iso` and `tzid` as codes into the sealed lists, other text as numpy str."""
        ...

    def metadata(self, name: str) -> dict[str, str]:
        """Key-value metadata of a table."""
        ...

    def texts(self, name: str, column: str) -> list[str]:
        """A text column, row by row."""
        ...


class Inputs(Protocol):
    """Rows by dataset id. Arrays are read-only and may be shared between partitions."""

    @property
    def vocabularies(self) -> Mapping[str, tuple[str, ...]]:
        """Sealed lists by name, in code order."""
        ...

    @property
    def reference(self) -> ReferenceTables:
        """The reference snapshot."""
        ...

    def published(self, dataset: str, scenario: str | None = None) -> Published:
        """Files of a dataset, with rows and first and last keys.

        Raises:
            GateError: If nothing proven was published under that name.
        """
        ...

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
        """Rows of a dataset; see `Context.load`. `as_filed`: in the order of the files."""
        ...

    def load_groups(
        self,
        dataset: str,
        scenario: str | None,
        low: int,
        high: int,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of some values of the column that row groups follow; see `Context.load_groups`."""
        ...

    def group_rows(self, dataset: str, scenario: str | None = None) -> Array:
        """Rows of each value of the column that row groups follow; see `Context.group_rows`."""
        ...

    @property
    def keeps(self) -> int:
        """Bytes that values shared by the partitions of a state may take."""
        ...

    def renumbered(self, name: str, numbers: Array, inverse: bool) -> Array:
        """Published ids of natural numbers of a set, or back; see `Context.published`."""
        ...


@runtime_checkable
class DeviceInputs(Inputs, Protocol):
    """Inputs that a device can decode by itself."""

    def decodes(self, dataset: str) -> bool:
        """Whether rows of a dataset are what its files hold, so that a device may decode them."""
        ...

    def load_to(
        self,
        read: ParquetReader,
        dataset: str,
        scenario: str | None = None,
        *,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of a dataset in device memory; see `Context.load`."""
        ...

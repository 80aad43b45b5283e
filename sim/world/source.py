"""What a table needs of its world: where the rows lie, and the proofs that precede reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pyarrow.fs as pafs

from sim.ground.contract_types import Contracts
from sim.state.records import PartFile, Published


class Source(Protocol):
    """Published directories that can be read, each file after its proof.

    `World` and `RemoteWorld` are such sources.
    """

    filesystem: pafs.FileSystem

    @property
    def path(self) -> Path:
        """The run directory, or a mirror of its documents."""
        ...

    @property
    def contracts(self) -> Contracts:
        """The contracts the run was built with."""
        ...

    @property
    def lineage(self) -> Mapping[str, str]:
        """What an Arrow schema says of the run its rows come from."""
        ...

    def published(self, dataset: str) -> Sequence[Published]:
        """Directories of a dataset, one a scenario (or one in all)."""
        ...

    def require_intact(self, items: Sequence[Published], first_only: bool = False) -> None:
        """Refuse files that are not the published ones."""
        ...

    def require_bounded(self, items: Sequence[Published], first_only: bool = False) -> None:
        """Refuse files that ask for more than a file of a run can."""
        ...

    def file_path(self, item: Published, part: PartFile) -> str:
        """A data file's name in `filesystem`."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """A context for reads of rows: refusals name the place of the rows."""
        ...

    def relation(self, items: Sequence[Published], connection: Any) -> Any:
        """Directories as a DuckDB relation."""
        ...

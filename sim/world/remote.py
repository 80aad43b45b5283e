"""A world in an object store: the same handle, rows read by range from where they lie.

Opening the run copies and checks its documents. Before the first read of a data file, the store must state
the published SHA-256 for it; from a store that keeps none, the object is read once in full. Every read
verifies page checksums.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from sim.ground.paths import config_root, contracts_root
from sim.objects.location import Location, parse_url
from sim.objects.mirror import THREADS, mirror_run, open_remote, require_object
from sim.objects.store import store_errors
from sim.objects.upload import FetchingStore
from sim.shell.runs.store import Store
from sim.state.records import PartFile, Published
from sim.world.gates import gates
from sim.world.handle import World, reopened
from sim.world.query import Rows
from sim.world.tables import Table


class RemoteWorld(World):
    """A published run in an object store.

    Args:
        location: Where the run lies.
        contracts: As `World`.
        config: As `World`.
        options: Keyword arguments for the fsspec filesystem (endpoint, profile); kept nowhere.

    Raises:
        UsageError: If no run is there, or the package that speaks its protocol is missing.
        GateError: If the run is not as it was published.
    """

    def __init__(
        self,
        location: Location,
        contracts: Path | None = None,
        config: Path | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._remote = mirror_run(location, options, reports=True)
        self._reopens = not options
        self._run = open_remote(self._remote, gates())
        self._roots = (contracts or contracts_root(), config or config_root())
        self._verified: set[Path] = set()
        self._bounded = set()
        self._lock = threading.Lock()
        self.filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(self._remote.store.fs))

    def __reduce__(self) -> tuple[Callable[..., World], tuple[object, ...]]:
        """See `World.__reduce__`.

        Raises:
            TypeError: If it was opened with storage options, which may hold credentials and are kept nowhere.
        """
        if not self._reopens:
            raise TypeError(
                "a world opened with storage_options stays in its process, since they are kept nowhere; "
                "open it again elsewhere"
            )
        return reopened, (type(self), self.location, self.run_id, *self._roots)

    @classmethod
    def at(cls, place: str, contracts: Path, config: Path) -> World:
        """See `World.at`: the world below a URL."""
        return cls(parse_url(place), contracts, config)

    @property
    def location(self) -> str:
        """URL of the run."""
        return str(self._remote.location)

    def file_path(self, item: Published, part: PartFile) -> str:
        """See `World.file_path`."""
        return self._remote.store.path(f"{item.path}/{part.name}")

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """See `World.reading`."""
        return store_errors(self.location, "reading rows")

    def open_rows(self) -> Store:
        """See `World.open_rows`: whole files are copied beside the mirror as states ask for them."""
        store = FetchingStore(
            self._remote.store, self.path, self.contracts, self.reference, self.vocabularies, self.seed
        )
        store.register(self._run.published)
        return store

    def require_intact(self, items: Sequence[Published], first_only: bool = False) -> None:
        """See `World.require_intact`."""
        listed = [(item, part) for item in items for part in item.files[: 1 if first_only else None]]
        with self._lock:
            todo = [
                (item, part)
                for item, part in listed
                if self.path / item.path / part.name not in self._verified
            ]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda entry: require_object(self._remote, *entry), todo))
        with self._lock:
            self._verified.update(self.path / item.path / part.name for item, part in todo)

    def rows_of(self, items: Sequence[Published]) -> list[Rows]:
        """See `World.rows_of`: DuckDB scans Arrow datasets, one a published directory."""
        with store_errors(self.location, "reading rows"):
            return [
                Rows(Table(self, [item]).plain_dataset(), self.keys_of(item), self.lineage) for item in items
            ]

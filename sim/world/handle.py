"""A world: what a run published, behind its gates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.fs as pafs

from sim.ground.contract_types import nearest
from sim.ground.errors import GateError, UsageError, path_text
from sim.ground.paths import config_root, contracts_root
from sim.shell.runs.find_run import find_run
from sim.shell.runs.opened import open_run
from sim.shell.runs.proven import ProvenFiles
from sim.state.records import PartFile, Published
from sim.world.damage import damage_told
from sim.world.described import Described
from sim.world.gates import gates
from sim.world.query import (
    BATCH_ROWS,
    TABLE_ROWS,
    Rows,
    batches,
    connect,
    duckdb_can_name,
    relation,
    sealed_connection,
    select,
)
from sim.world.run_tables import RUN_TABLES, UNGATED
from sim.world.tables import Table

if TYPE_CHECKING:
    from sim.shell.runs.store import Store
    from sim.world.transactions import Transactions


class World(Described):
    """A published run.

    Args:
        path: Run directory.
        contracts: Contracts directory for `Table.contract`; the packaged one by default.
        config: Config directory (its reference snapshot fills vocabularies); the packaged one by default.

    Raises:
        GateError: If the run is not as it was published.
    """

    def __init__(self, path: Path, contracts: Path | None = None, config: Path | None = None) -> None:
        self._run = open_run(path, gates())
        self._roots = (contracts or contracts_root(), config or config_root())
        self._proven = ProvenFiles()
        self._bounded: set[str] = set()
        self.filesystem: pafs.FileSystem = pafs.LocalFileSystem()

    def __repr__(self) -> str:
        return (
            f"World({self.location!r}, seed={self.seed}, scenarios={list(self.scenarios)}, "
            f"tables={len(self.tables)})"
        )

    def __getitem__(self, dataset: str) -> Table:
        return self.table(dataset)

    def __reduce__(self) -> tuple[Callable[..., World], tuple[object, ...]]:
        """Carried to other processes as a place: it is opened there again, with every check made again."""
        return reopened, (type(self), str(self.path.absolute()), self.run_id, *self._roots)

    @classmethod
    def at(cls, place: str, contracts: Path, config: Path) -> World:
        """The world in a run directory; of a subclass, wherever its runs lie.

        Raises:
            UsageError: If no run is there.
            GateError: If it is not as it was published.
        """
        return cls(find_run(place), contracts, config)

    def published(self, dataset: str) -> Sequence[Published]:
        """Manifest entries of a dataset, one a scenario (or one in all)."""
        return self.table(dataset).published

    def table(self, dataset: str, scenario: str | None = None) -> Table:
        """A dataset, or one scenario of it.

        Raises:
            UsageError: If this run publishes no such dataset or scenario.
        """
        items = self._items.get(dataset)
        if items is None:
            from sim.shell.contracts.load import load_contracts
            from sim.shell.runs.built_with import left_out

            off = left_out(self.path, self._run.bundles, load_contracts(self._roots[0]))
            why = next(
                (f": it is published when {switch}" for (name, _), switch in off.items() if name == dataset),
                "",
            )
            why += f"; {', '.join(self._run.unfinished)} has not passed" if self._run.unfinished else ""
            raise UsageError(
                "SHELL.UNKNOWN_DATASET",
                f"this run publishes no dataset {dataset!r}{why}",
                where=self.location,
                do=nearest(dataset, self._items),
            )
        if scenario is not None:
            known = [item.scenario for item in items if item.scenario is not None]
            items = [item for item in items if item.scenario == scenario]
            if not items:
                what = f"{dataset} has no scenario {scenario!r}"
                raise UsageError(
                    "SHELL.UNKNOWN_SCENARIO",
                    what,
                    expected=", ".join(known) or "none: it does not differ by scenario",
                )
        return Table(self, items)

    def transactions(
        self,
        scenario: str | None = None,
        after: bool = False,
        order: Literal["party", "time"] = "party",
        columns: Sequence[str] | None = None,
    ) -> Transactions:
        """Payments, each with attributes of its merchant, site, card, device, address and payer.

        Args:
            scenario: Scenario id; all of them by default.
            after: Whether columns come that are known only later than the answer is asked for: the answer
                itself, clearing, reversal, refund. No feature of a model may be made of them.
            order: `party`: as they are published, payer by payer; `time`: by instant, scenario by scenario.
            columns: Only these, in this order.

        Returns:
            The rows as Arrow batches, Arrow table, polars, pandas, cuDF or DuckDB.

        Raises:
            UsageError: If this run publishes no payments, or there is no such scenario, order or column.
        """
        from sim.world.transactions import FLOWS, Transactions

        return Transactions(self, self.table(FLOWS, scenario), after, order, columns)

    def sql(self, query: str, memory_limit: int | None = None) -> pa.Table:
        """Answer one SELECT over views called as the datasets, with DuckDB.

        Args:
            query: One SELECT.
            memory_limit: Most bytes DuckDB may hold; by default three quarters of the memory that is free. It
                never spills to disk.
        """
        stream = self._asked(query, memory_limit, TABLE_ROWS)
        return pa.Table.from_batches(batches(stream), stream.schema)

    def stream(self, query: str, memory_limit: int | None = None) -> pa.RecordBatchReader:
        """`sql`, batch by batch, for results that need not fit in memory."""
        return self._asked(query, memory_limit, BATCH_ROWS)

    def _asked(self, query: str, memory_limit: int | None, rows: int) -> pa.RecordBatchReader:
        # Only datasets the query spells out get a view, so that none can be reached unverified; a query that
        # names none sees all.
        named = [name for name in (*self._items, *RUN_TABLES) if name.lower() in query.lower()]
        names = named or [name for name in (*self._items, *RUN_TABLES) if name not in UNGATED]
        stream = select(self.connection(names, memory_limit), query, rows)
        return pa.RecordBatchReader.from_batches(stream.schema, self._still_proven(stream, names))

    def _still_proven(self, stream: pa.RecordBatchReader, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The batches of an answer; refused at its end if a file it was made of was replaced meanwhile."""
        yield from batches(stream)
        self.require_intact([item for name in names for item in self._items.get(name, ())])

    def connection(self, names: Iterable[str], memory_limit: int | None = None) -> Any:
        """A DuckDB connection that can read verified datasets and tables about the run, and do nothing else.

        Args:
            names: Datasets, or `RUN_TABLES`.
            memory_limit: As `sql`.
        """
        views: dict[str, list[Rows]] = {}
        for name in names:
            if name in self._items:
                self.require_intact(self._items[name])
            views[name] = (
                self.rows_of(self._items[name]) if name in self._items else [Rows(self.run_table(name))]
            )
        return sealed_connection(views, memory_limit)

    def run_table(self, name: str) -> pa.Table:
        """A table about the run itself, by name.

        The names are `validation_checks`, `rng_ledger`, `rng_audit_log`, `rng_trace_log` and `run_reports`.

        Raises:
            UsageError: If there is none of that name, or a report cannot be read.
        """
        if name not in RUN_TABLES:
            known = ", ".join(RUN_TABLES)
            raise UsageError(
                "SHELL.UNKNOWN_TABLE",
                f"no table about a run is called {name!r}",
                expected=known,
                do=nearest(name, RUN_TABLES),
            )
        return RUN_TABLES[name](self)

    def require_intact(self, items: Sequence[Published], first_only: bool = False) -> None:
        """Check the SHA-256 of files that were not checked before, or are other files now, several at a time.

        Raises:
            GateError: If a file is not the published one.
        """
        listed = [
            (self.path / item.path / part.name, part)
            for item in items
            for part in item.files[: 1 if first_only else None]
        ]
        self._proven.require((path, part.file_sha256) for path, part in listed)

    def require_bounded(self, items: Sequence[Published], first_only: bool = False) -> None:
        """Compare the footers of files with the manifest, each once, before any of their pages is decoded.

        Raises:
            GateError: If one asks for more than a file of a run can.
            StorageError: If its rows do not fit into the memory that is free.
        """
        from sim.shell.tables.bounds import require_bounded_file

        for item in items:
            for part in item.files[: 1 if first_only else None]:
                name = self.file_path(item, part)
                if name not in self._bounded:
                    with self.reading():
                        require_bounded_file(
                            f"{self.location}/{item.path}/{part.name}",
                            part,
                            partial(self.filesystem.open_input_file, name),
                        )
                    self._bounded.add(name)

    def file_path(self, item: Published, part: PartFile) -> str:
        """A data file's name in `filesystem`; not verified by this call."""
        return path_text((self.path / item.path / part.name).absolute())

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """A context for reads of rows: refusals name the place of the rows."""
        return damage_told(self.location)

    def open_rows(self) -> Store:
        """Read access to the published rows as states have it."""
        from sim.shell.runs.store import Store

        store = Store(self.path, self.contracts, self.reference, self.vocabularies, self.seed)
        store.register(self._run.published)
        return store

    def relation(self, items: Sequence[Published], connection: Any) -> Any:
        """Verified published directories as a DuckDB relation on a connection; None: on a new, locked one."""
        rows = self.rows_of(items)
        return relation(
            rows,
            connection if connection is not None else connect([path for part in rows for path in part.paths]),
        )

    def rows_of(self, items: Sequence[Published]) -> list[Rows]:
        """Published directories as DuckDB reads them: their files, and the manifest's partition keys."""
        if duckdb_can_name(str(self.path.absolute())):
            return [
                Rows([self.file_path(item, part) for part in item.files], self.keys_of(item), self.lineage)
                for item in items
            ]
        return [Rows(Table(self, [item]).plain_dataset(), self.keys_of(item), self.lineage) for item in items]


def reopened(kind: type[World], place: str, run_id: str, contracts: Path, config: Path) -> World:
    """A world that was carried here, opened again where it lies.

    Raises:
        GateError: If it is not as it was published, or another run lies there.
    """
    world = kind.at(place, contracts, config)
    if world.run_id != run_id:
        what = "another run lies where this world was"
        raise GateError(
            "SHELL.ANOTHER_RUN", what, world.run_id, run_id, place, "open the run where it lies now"
        )
    return world

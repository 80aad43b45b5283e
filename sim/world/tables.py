"""One published dataset as Arrow, polars, pandas, cuDF or a DuckDB relation.

Files come from the manifest, in its order, never from a directory listing. Ids are positive int64,
categories stay dictionaries, times are UTC, dates are dates.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from sim.ground.contract_types import Dataset
from sim.ground.errors import UsageError
from sim.ground.packages import require_package
from sim.state.records import PartFile, Published
from sim.world.source import Source
from sim.world.view_columns import added, made, needed

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow.dataset as pads


SCENARIO = "scenario_id"
Filter: TypeAlias = "pads.Expression | Mapping[str, Any] | None"


class Table:
    """A dataset of a world, or one scenario of it.

    Args:
        world: The world it belongs to.
        items: Its published directories, one a scenario (or one in all).
    """

    def __init__(self, world: Source, items: Sequence[Published]) -> None:
        self._world = world
        self._items = tuple(items)
        self.id = self._items[0].dataset

    def __repr__(self) -> str:
        return (
            f"Table({self.id!r}, rows={self.rows:,}, files={len(self.files)}, "
            f"scenarios={list(self.scenarios)})"
        )

    def __reduce__(self) -> tuple[Callable[..., Table], tuple[object, ...]]:
        """Carried as its world and its name; see `World.__reduce__`."""
        return _of_world, (self._world, self.id, self.scenarios)

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(item.rows for item in self._items)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios covered; empty for data that do not differ by scenario."""
        return tuple(item.scenario for item in self._items if item.scenario is not None)

    @property
    def published(self) -> tuple[Published, ...]:
        """Manifest entries: files, rows, digests."""
        return self._items

    @property
    def files(self) -> list[Path]:
        """Its Parquet files in row order, below `World.path`.

        Not verified by this call, and not there for a run in an object store.
        """
        return [self._world.path / item.path / part.name for item in self._items for part in item.files]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; scenario data end in a `scenario_id` column."""
        return self._with_scenario(self._plain_schema())

    def _with_scenario(self, schema: pa.Schema) -> pa.Schema:
        return schema.append(pa.field(SCENARIO, pa.string(), nullable=False)) if self.scenarios else schema

    def _plain_schema(self) -> pa.Schema:
        import pyarrow.parquet as pq

        self._world.require_intact(self._items[:1], first_only=True)
        self._world.require_bounded(self._items[:1], first_only=True)
        first = self._world.file_path(self._items[0], self._items[0].files[0])
        return pq.read_schema(first, filesystem=self._world.filesystem).remove_metadata()

    @property
    def view_columns(self) -> tuple[str, ...]:
        """Columns that no file holds: `sql` and `duckdb` show them last, `to_arrow` makes them by name."""
        return tuple(added(self._plain_schema().names))

    @property
    def contract(self) -> Dataset:
        """The dataset's contract: columns with units and meanings, keys, foreign keys, invariants.

        Raises:
            ContractError: If the packaged contracts are not those the run was built with.
        """
        return self._world.contracts.dataset(self.id)

    def dataset(self) -> pads.Dataset:
        """The rows as a lazy `pyarrow.dataset`; every file was verified, every page is when it is read."""
        return self._by_scenario(self.schema)

    def _by_scenario(self, schema: pa.Schema) -> pads.Dataset:
        import pyarrow.dataset as pads

        by_file = [item.scenario for item in self._items for _ in item.files]
        return self._dataset(
            schema, [pads.field(SCENARIO) == scenario for scenario in by_file] if self.scenarios else None
        )

    def plain_dataset(self) -> pads.Dataset:
        """`dataset` with the columns of the files and no others."""
        return self._dataset(self._plain_schema(), None)

    def _dataset(self, schema: pa.Schema, partitions: list[pads.Expression] | None) -> pads.Dataset:
        import pyarrow.dataset as pads

        self._world.require_intact(self._items)
        self._world.require_bounded(self._items)
        options = pads.ParquetFragmentScanOptions(page_checksum_verification=True)
        return pads.FileSystemDataset.from_paths(
            [self._world.file_path(item, part) for item in self._items for part in item.files],
            schema=schema,
            format=pads.ParquetFileFormat(default_fragment_scan_options=options),
            filesystem=self._world.filesystem,
            partitions=partitions,
        )

    def to_arrow(self, columns: Sequence[str] | None = None, filter: Filter = None) -> pa.Table:
        """The rows in published order.

        Args:
            columns: Only these columns, in this order; those of `view_columns` too, which no file holds. By
                default those of the files.
            filter: Only rows with these values (`{"merchant_id": 17}`), or those for which a
                `pyarrow.dataset` expression holds; row groups that cannot match are not read.

        Raises:
            UsageError: If there is no such column.
            GateError: If a file is not the published one.
        """
        plain = self._plain_schema()
        schema, extra = self._with_scenario(plain), added(plain.names)
        for name in filter if isinstance(filter, Mapping) else ():
            if name not in schema.names:
                raise UsageError(
                    "SHELL.UNKNOWN_COLUMN",
                    f"{self.id} has no column {name!r} to filter by",
                    expected=", ".join(schema.names),
                )
        for name in columns or ():
            if name not in schema.names and name not in extra:
                known = ", ".join([*schema.names, *extra])
                raise UsageError("SHELL.UNKNOWN_COLUMN", f"{self.id} has no column {name!r}", expected=known)
        stored = None
        if columns is not None:
            stored = list(
                dict.fromkeys(
                    part for name in columns for part in (needed(name) if name in extra else (name,))
                )
            )
        if stored == []:
            stored = schema.names[:1]  # what counts the rows
        condition = equal_to(schema, filter) if isinstance(filter, Mapping) else filter
        with self._world.reading():
            rows = self._by_scenario(schema).to_table(columns=stored, filter=condition)
        self._world.require_intact(self._items)  # the files that were read are those that were proven
        if columns is None or stored == list(columns):
            return rows
        return pa.table(
            [made(name, rows, self._world.lineage) if name in extra else rows[name] for name in columns],
            names=list(columns),
        )

    def head(self, n: int = 5, columns: Sequence[str] | None = None) -> pa.Table:
        """The first `n` rows in published order; no more files are read than hold them.

        Args:
            n: Most rows.
            columns: As `to_arrow`.
        """
        items: list[Published] = []
        missing = max(operator.index(n), 0)
        for item in self._items:
            files: list[PartFile] = []
            rows = 0
            for part in item.files:
                if files and rows >= missing:
                    break
                files.append(part)
                rows += part.rows
            items.append(dataclasses.replace(item, files=tuple(files)))
            missing -= rows
            if missing <= 0:
                break
        return Table(self._world, items).to_arrow(columns).slice(0, max(operator.index(n), 0))

    def to_polars(self, columns: Sequence[str] | None = None, filter: Filter = None) -> Any:
        """The rows as a `polars.DataFrame`; arguments as `to_arrow`."""
        return as_polars(self.to_arrow(columns, filter))

    def to_pandas(self, columns: Sequence[str] | None = None, filter: Filter = None) -> Any:
        """The rows as a `pandas.DataFrame`; arguments as `to_arrow`.

        Nullable ids keep their type only with pandas' Arrow dtypes.
        """
        return as_pandas(self.to_arrow(columns, filter))

    def to_cudf(self, columns: Sequence[str] | None = None, filter: Filter = None) -> Any:
        """The rows as a `cudf.DataFrame` on the GPU; arguments as `to_arrow`."""
        return as_cudf(self.to_arrow(columns, filter))

    def duckdb(self, connection: Any = None) -> Any:
        """The rows as a DuckDB relation, partition keys as columns.

        Args:
            connection: A DuckDB connection to make it on, which stays as it is. By default a new in-memory
                one that can read these files and do nothing else: to write rows or join others, bring your
                own.
        """
        self._world.require_intact(self._items)
        return self._world.relation(self._items, connection)


def _of_world(world: Source, dataset: str, scenarios: Sequence[str]) -> Table:
    items = world.published(dataset)
    return Table(world, [item for item in items if item.scenario is None or item.scenario in scenarios])


def equal_to(schema: pa.Schema, values: Mapping[str, Any]) -> pads.Expression | None:
    """The condition that columns hold these values, each typed as its column; None for no values.

    Raises:
        UsageError: If a value cannot be one of its column.
    """
    import pyarrow.dataset as pads

    condition: pads.Expression | None = None
    for name, value in values.items():
        kind = schema.field(name).type
        try:
            scalar = pa.scalar(value, pa.string() if pa.types.is_dictionary(kind) else kind)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise UsageError(
                "SHELL.VALUE_INVALID",
                f"{value!r} is no value of column {name}",
                found=str(error),
                expected=str(kind),
            ) from error
        term = pads.field(name) == scalar
        condition = term if condition is None else condition & term
    return condition


def as_polars(rows: pa.Table) -> Any:
    """Rows as a `polars.DataFrame`."""
    return _package("polars", "polars").from_arrow(rows)


def as_pandas(rows: pa.Table) -> Any:
    """Rows as a `pandas.DataFrame` of Arrow columns."""
    return rows.to_pandas(types_mapper=_package("pandas", "pandas").ArrowDtype)


def as_cudf(rows: pa.Table) -> Any:
    """Rows as a `cudf.DataFrame` on the GPU."""
    return _package("cudf", "closedworld[cudf-cu13]").DataFrame.from_arrow(rows)


def only(item: Published, part: PartFile) -> Published:
    """A published directory with one of its files."""
    return dataclasses.replace(item, files=(part,))


def _package(name: str, install: str) -> Any:
    return require_package(name, "this", f"pip install '{install}', or use to_arrow()")

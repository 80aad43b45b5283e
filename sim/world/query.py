"""DuckDB over published files: one view a dataset, read-only, and nothing else of the machine in reach.

A run comes from anybody, so nothing of it is SQL: names are quoted, values are literals, and before the first
view is made the connection may open the listed files and no other, cannot load extensions, sees no Python
variable, spills nowhere, and cannot change any of it back. Partition keys are constants from the manifest,
never read out of a path: where a run lies does not change what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from sim.executors import resident
from sim.ground.errors import SimError, StorageError, UsageError
from sim.world.view_columns import LOCAL, added, local_sql

KEY_TYPES: Mapping[str, str] = {
    "manifest_fingerprint": "VARCHAR",
    "scenario_id": "VARCHAR",
    "seed": "UBIGINT",
}
"""Partition keys a dataset may be published under, in column order, with their SQL types."""

_GLOB = re.compile(r"([*?\[])")
_SHARE = (3, 4)
BATCH_ROWS, TABLE_ROWS = 2048, 1 << 20
"""Rows of a batch of an answer, for answers written batch by batch and for answers held at once."""
_LEAST_MEMORY = 128 << 20


@dataclass(frozen=True)
class Rows:
    """Rows of one dataset under one set of partition keys.

    Attributes:
        source: Absolute paths of Parquet files in row order, or a `pyarrow` dataset or table.
        keys: Partition key -> its value for all of these rows.
        lineage: What `view_columns.LINEAGE` names; empty for rows that get no added columns.
    """

    source: Sequence[str] | Any
    keys: Mapping[str, str | int] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Files that DuckDB opens itself."""
        return [str(path) for path in self.source] if isinstance(self.source, list | tuple) else []


def connect(paths: Sequence[str] | None = None, memory_limit: int | None = None) -> Any:
    """A new in-memory DuckDB connection in UTC that can reach nothing but what it is given.

    It never fetches extensions, sees no Python variable, spills nothing and prints nothing.

    Args:
        paths: If given, the connection is locked: it may open these files and no other, and no setting can be
            changed any more.
        memory_limit: Most bytes DuckDB may hold; by default three quarters of the memory that is free.
    """
    limit = free_share() if memory_limit is None else memory_limit
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "python_scan_all_frames": "false",
            "temp_directory": "",
            **({} if limit is None else {"memory_limit": f"{limit}B"}),
        },
    )
    # it would be drawn into the answer, on standard output
    connection.execute("SET TimeZone='UTC'; SET enable_progress_bar=false")
    if paths is not None:
        allowed = ", ".join(literal(form) for path in paths for form in sorted({path, _itself(path)}))
        connection.execute(
            f"SET allowed_paths=[{allowed}]; SET enable_external_access=false; SET lock_configuration=true"
        )
    return connection


def sealed_connection(views: Mapping[str, Sequence[Rows]], memory_limit: int | None = None) -> Any:
    """A connection with one view a dataset that can read their rows and do nothing else.

    It is locked before the first view is made.

    Args:
        views: Dataset id -> its rows.
        memory_limit: As `connect`.

    Raises:
        StorageError: If that much memory is not enough even for this.
        UsageError: If DuckDB cannot read a file as rows.
    """
    try:
        connection = connect(
            [path for parts in views.values() for rows in parts for path in rows.paths], memory_limit
        )
        for name, parts in views.items():
            relation(parts, connection).create_view(name)
    except duckdb.Error as error:
        raise sql_error(error) from error
    return connection


def relation(parts: Sequence[Rows], connection: Any) -> Any:
    """Rows as a relation on a connection, on which nothing is registered and no setting changed."""
    made = None
    for rows in parts:
        one = (
            connection.sql(f"SELECT * FROM {_files(rows)}")
            if rows.paths
            else connection.from_arrow(rows.source)
        )
        one = one.project(f"*{_constants(rows)}{_added(rows, one.columns)}")
        made = one if made is None else made.union(one)
    return made


def select(connection: Any, query: str, rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
    """Run one SELECT and give its rows batch by batch, at most `rows` at once.

    Raises:
        UsageError: If it is not exactly one SELECT, or DuckDB refuses it; the text is DuckDB's.
        StorageError: If it needs more memory than the connection may hold, or a file cannot be read.
    """
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(statement.type.name for statement in statements[:5]) or "nothing"
            raise UsageError(
                "SHELL.SQL_NOT_A_SELECT",
                "a published run can only be asked",
                found=kinds,
                expected="one SELECT",
            )
        return connection.sql(query).to_arrow_reader(rows)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise sql_error(error) from error


def batches(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of an answer.

    Raises:
        UsageError: If DuckDB fails while the rows are made (a cast or an overflow, say).
        StorageError: As `select`.
    """
    try:
        yield from stream
    except (duckdb.Error, pa.ArrowException, RuntimeError, OSError) as error:
        raise sql_error(error) from error


def sql_error(error: Exception) -> SimError:
    """DuckDB's message as a refusal."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = " ".join(line.strip() for line in lines[:3] if line.strip())[:500]
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError) or "Out of Memory Error" in text:
        do = "ask for less at once (fewer columns, a filter, an aggregate), or give a larger --memory-limit"
        return StorageError(
            "SHELL.OUT_OF_MEMORY", "the query needs more memory than it may take", found=text, do=do
        )
    if isinstance(error, duckdb.IOException):
        return StorageError(
            "SHELL.IO_READ_FAILED",
            "the query could not read a file",
            found=text,
            do="run it again; closedworld verify RUN",
        )
    return UsageError(
        "SHELL.SQL_INVALID",
        "the query cannot be answered",
        found=text,
        do="`closedworld contracts show` lists datasets",
    )


def free_share() -> int | None:
    """Bytes a query may hold by default: three quarters of what is free.

    None where the system does not say (DuckDB then decides).
    """
    free = resident.available()
    return None if free is None else max(_LEAST_MEMORY, free * _SHARE[0] // _SHARE[1])


def duckdb_can_name(path: str) -> bool:
    """Whether DuckDB opens exactly the file of this name: in a pattern it takes a backslash for a slash."""
    return not ("\\" in path and _GLOB.search(path))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _constants(rows: Rows) -> str:
    """The partition keys as columns after those of the files, in the order of `KEY_TYPES`."""
    return "".join(
        f", {literal(str(rows.keys[key]))}::{kind} AS {quoted(key)}"
        for key, kind in KEY_TYPES.items()
        if key in rows.keys
    )


def _added(rows: Rows, stored: Sequence[str]) -> str:
    """Columns that no file holds, after all others."""
    if not rows.lineage:
        return ""
    made = {name: local_sql() if name == LOCAL else literal(rows.lineage[name]) for name in added(stored)}
    return "".join(f", {text} AS {quoted(name)}" for name, text in made.items())


def _files(rows: Rows) -> str:
    listed = ", ".join(literal(_itself(path)) for path in rows.paths)
    return (
        f"read_parquet([{listed}], hive_partitioning=false, filename=false, file_row_number=false, "
        "union_by_name=false)"
    )


def _itself(path: str) -> str:
    """A path as a pattern that means nothing but itself: DuckDB takes listed names for patterns."""
    return _GLOB.sub(r"[\1]", path)

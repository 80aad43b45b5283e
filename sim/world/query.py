"""DuckDB over published files: one view a dataset, read-only, and nothing else of the machine in reach.

Views are made of explicit file lists from the manifests. After they are made the connection may open those files and no
other, cannot load extensions, and cannot change either setting back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from sim.shell.errors import UsageError
from sim.shell.manifest import Published

_HIVE_TYPES = {"seed": "UBIGINT", "manifest_fingerprint": "VARCHAR", "scenario_id": "VARCHAR"}
_GLOB = re.compile(r"([*?\[])")


def connect() -> Any:
    """A new in-memory DuckDB connection in UTC that never fetches extensions."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET autoinstall_known_extensions=false; SET autoload_known_extensions=false; SET TimeZone='UTC'")
    return connection


def sealed_connection(run_dir: Path, views: Mapping[str, Sequence[Published]]) -> Any:
    """A connection with one view a dataset that can read their files and do nothing else.

    Args:
        run_dir: Run directory.
        views: Dataset id -> its published directories.
    """
    connection = connect()
    for name, items in views.items():
        connection.execute(f'CREATE VIEW "{name}" AS {scan(run_dir, items)}')
    paths = [_literal(form) for items in views.values() for path in _paths(run_dir, items) for form in sorted({path, _itself(path)})]
    connection.execute(f"SET allowed_paths=[{', '.join(paths)}]")
    connection.execute("SET enable_external_access=false; SET lock_configuration=true")
    return connection


def scan(run_dir: Path, items: Sequence[Published]) -> str:
    """A SELECT over the files of published directories, partition keys as columns."""
    listed = ", ".join(_literal(_itself(path)) for path in _paths(run_dir, items))
    keys = {part.split("=")[0] for item in items for part in item.path.split("/") if "=" in part}
    types = ", ".join(f"'{key}': {kind}" for key, kind in _HIVE_TYPES.items() if key in keys)
    return f"SELECT * FROM read_parquet([{listed}], hive_partitioning=true, hive_types={{{types}}})"


def dataset_connection(views: Mapping[str, tuple[Any, Mapping[str, object]]]) -> Any:
    """A connection with one view a dataset over `pyarrow` datasets that can open nothing else.

    Args:
        views: Dataset id -> the rows, and the partition keys to add as columns.
    """
    connection = connect()
    connection.execute("SET python_enable_replacements=false")
    for name, view in views.items():
        _register(connection, f"rows of {name}", *view, f'CREATE VIEW "{name}" AS ')
    connection.execute("SET enable_external_access=false; SET lock_configuration=true")
    return connection


def dataset_relation(connection: Any, view: tuple[Any, Mapping[str, object]]) -> Any:
    """A `pyarrow` dataset with partition keys as a relation; it stays registered on the connection."""
    return connection.sql(_register(connection, f"rows {id(view[0]):x}", *view, ""))


def _register(connection: Any, name: str, rows: Any, keys: Mapping[str, object], create: str) -> str:
    connection.register(name, rows)
    given = [f"{_literal(str(value))}::{_HIVE_TYPES[key]} AS {key}" for key, value in keys.items()]
    last = ["scenario_id"] if "scenario_id" in rows.schema.names else []
    query = (
        f'SELECT * EXCLUDE ({last[0]}), {", ".join([*given[:1], *last, *given[1:]])} FROM "{name}"'
        if last
        else f'SELECT *, {", ".join(given)} FROM "{name}"'
    )
    if create:
        connection.execute(create + query)
    return query


def select(connection: Any, query: str) -> pa.RecordBatchReader:
    """Run one SELECT and give its rows batch by batch.

    Raises:
        UsageError: If it is not exactly one SELECT, or DuckDB refuses it; the text is DuckDB's.
    """
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(statement.type.name for statement in statements[:5]) or "nothing"
            raise UsageError("SHELL.SQL_NOT_A_SELECT", "a published run can only be asked", found=kinds, expected="one SELECT")
        return pa.RecordBatchReader.from_stream(connection.sql(query))
    except (duckdb.Error, pa.ArrowException) as error:
        raise sql_error(error) from error


def batches(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of an answer.

    Raises:
        UsageError: If DuckDB fails while the rows are made (a cast or an overflow, say).
    """
    try:
        yield from stream
    except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
        raise sql_error(error) from error


def sql_error(error: Exception) -> UsageError:
    """DuckDB's message as a refusal."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = " ".join(line.strip() for line in lines[:3] if line.strip())
    return UsageError(
        "SHELL.SQL_INVALID", "the query cannot be answered", found=text[:500], do="`closedworld contracts show` lists datasets"
    )


def _paths(run_dir: Path, items: Sequence[Published]) -> list[str]:
    return [str((run_dir / item.path / part.name).absolute()) for item in items for part in item.files]


def _itself(path: str) -> str:
    """A path as a pattern that means nothing but itself: DuckDB takes listed names for patterns."""
    return _GLOB.sub(r"[\1]", path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""Query results as text: table, CSV, JSON-ready rows."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import math
import sys
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from sim.cli.common import table
from sim.cli.streams import results
from sim.world.query import batches


def json_rows(stream: pa.RecordBatchReader) -> list[list[Any]]:
    """All rows as lists of JSON-ready values; integers stay exact, times are ISO 8601, what JSON cannot hold is text."""
    return [
        list(row) for batch in batches(stream) for row in zip(*(map(plain, column.to_pylist()) for column in batch.columns), strict=True)
    ]


def write_csv(stream: pa.RecordBatchReader) -> None:
    """All rows to stdout as CSV in UTF-8, batch by batch; nulls are empty, times are UTC, nested values are as in a table."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(stream.schema.names)
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    with results():
        sys.stdout.buffer.write(header.getvalue().encode())
    for batch in batches(stream):
        flat = pa.table([_flat(column) for column in batch.columns], names=[str(number) for number in range(batch.num_columns)])
        with results():
            pacsv.write_csv(flat, sys.stdout.buffer, options)
            sys.stdout.buffer.flush()


def _flat(column: pa.Array) -> pa.Array:
    kind = column.type
    simple = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_timestamp, pa.types.is_date)
    if any(test(kind) for test in simple):
        return column
    return pa.array([None if value is None else text(value) for value in column.to_pylist()], pa.string())


def table_of(stream: pa.RecordBatchReader, limit: int) -> str:
    """The first `limit` rows (0: all) as an aligned table, saying when there are more."""
    numeric = frozenset(
        number for number, field in enumerate(stream.schema) if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    )
    rows: list[tuple[str, ...]] = []
    more = False
    for batch in batches(stream):
        rows += zip(*(["null" if value is None else text(value) for value in column.to_pylist()] for column in batch.columns), strict=True)
        if limit and len(rows) > limit:
            rows, more = rows[:limit], True
            break
    shown = table(stream.schema.names, rows, right=numeric)
    return f"{shown}\n({len(rows):,} rows shown, there are more: --limit 0, or --csv)" if more else shown


def text(value: Any) -> str:
    """One value as people read it."""
    made = plain(value)
    return made if isinstance(made, str) else repr(made) if isinstance(made, float) else str(made)


def plain(value: Any) -> Any:
    """One Arrow value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)

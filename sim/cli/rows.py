"""Query results as text: table, CSV, JSON, written batch by batch, so that they need not fit in memory."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import itertools
import math
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from sim.cli.common import Columns, json_text, settings
from sim.cli.streams import results
from sim.ground.errors import SimError
from sim.ground.plain_text import clean
from sim.world.query import batches


def json_rows(batch: pa.RecordBatch) -> list[list[Any]]:
    """Rows as lists of JSON-ready values: exact integers, ISO 8601 times, text for what JSON cannot hold."""
    return [
        list(row) for row in zip(*(map(plain, column.to_pylist()) for column in batch.columns), strict=True)
    ]


def write_json(stream: pa.RecordBatchReader) -> None:
    """All rows to stdout as one JSON object, the answer of the command of that name.

    A batch is written when the next one is there: a query that fails before the second has written nothing.
    One that fails later leaves half a document and a line end, and says why on stderr.
    """
    columns = [{"name": field.name, "type": str(field.type)} for field in stream.schema]
    opened = json_text({"schema": "closedworld.sql/1", "ok": True, "columns": columns, "rows": []}).rstrip(
        "\n"
    )[:-2]
    count, held = 0, opened
    found = batches(stream)
    batch = next(found, None)
    try:
        while batch is not None:
            if batch.num_rows:
                held += (", " if count else "") + json_text(json_rows(batch)).rstrip("\n")[1:-1]
                count += batch.num_rows
            batch = next(found, None)
            if batch is not None:
                settings.begun = True
                with results():
                    sys.stdout.write(held)
                held = ""
        with results():
            sys.stdout.write(f'{held}], "row_count": {count}}}\n')
    except SimError:
        if settings.begun:
            with results():
                sys.stdout.write("\n")
        raise


def write_json_lines(stream: pa.RecordBatchReader) -> None:
    """All rows to stdout, a JSON object a line."""
    names = stream.schema.names
    for batch in batches(stream):
        with results():
            sys.stdout.write(
                "".join(json_text(dict(zip(names, row, strict=True))) for row in json_rows(batch))
            )


def write_csv(stream: pa.RecordBatchReader) -> None:
    """All rows to stdout as CSV in UTF-8; nulls are empty, times are UTC, nested values are as in a table.

    A terminal is shown texts without what it would act upon; files and programs get them as they are.
    """
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(stream.schema.names)
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    _write_csv(header.getvalue().encode())
    for batch in batches(stream):
        flat = pa.table(
            [_flat(column) for column in batch.columns],
            names=[str(number) for number in range(batch.num_columns)],
        )
        made = io.BytesIO()
        pacsv.write_csv(flat, made, options)
        _write_csv(made.getvalue())


def _write_csv(data: bytes) -> None:
    with results():
        if sys.stdout.isatty():
            sys.stdout.write(clean(data.decode()))
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def _flat(column: pa.Array) -> pa.Array:
    kind = column.type
    simple = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_string,
        pa.types.is_timestamp,
        pa.types.is_date,
    )
    if any(test(kind) for test in simple):
        return column
    return pa.array([None if value is None else text(value) for value in column.to_pylist()], pa.string())


def write_table(stream: pa.RecordBatchReader, limit: int) -> None:
    """Write the first `limit` rows (0: all) to stdout as an aligned table, and say when there are more.

    The first batch decides the widths.
    """
    numeric = frozenset(
        number
        for number, field in enumerate(stream.schema)
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    )
    shown, columns = 0, None
    for rows in itertools.chain(_text_rows(stream), [[]]):
        more = limit > 0 and shown + len(rows) > limit
        rows = rows[: limit - shown] if more else rows
        shown += len(rows)
        if columns is None:
            columns = Columns(stream.schema.names, rows, numeric)
            made = columns.begun(rows)
        else:
            made = columns.more(rows)
        with results():
            sys.stdout.write(f"{made}\n" if made else "")
            if more:
                sys.stdout.write(f"({shown:,} rows shown, there are more: --limit 0, or --csv)\n")
        if more:
            return


def _text_rows(stream: pa.RecordBatchReader) -> Iterator[list[tuple[str, ...]]]:
    for batch in batches(stream):
        if batch.num_rows:
            yield list(
                zip(
                    *(
                        ["null" if value is None else text(value) for value in column.to_pylist()]
                        for column in batch.columns
                    ),
                    strict=True,
                )
            )


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

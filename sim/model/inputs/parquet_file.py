"""Merchants as Parquet: sizes are checked before anything is decoded; known columns come in small batches.

A few kilobytes of Parquet can stand for terabytes: a page says how much it becomes, a dictionary's entry is
repeated by a byte. So sizes are added up from the page headers themselves - the footer's figures are only
what its writer claimed - and values are measured in the dictionary before rows of them are made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.ground.parquet_footer import ColumnChunk, footer_bytes, row_groups
from sim.ground.parquet_pages import DELTA_BYTE_ARRAY, page_headers
from sim.ground.thrift import Malformed
from sim.model.inputs.raw import MAX_ROWS, RawTable, chosen_columns, folded, invalid, too_many

_MAX_DECODED = 1 << 30
_MAX_CHUNK = 1 << 28
_MAX_TEXT = 1024
_BATCH = 1 << 13
_MOST_ITEMS = 1 << 20


def parquet_table(path: Path, data: bytes, required: Sequence[str], optional: Sequence[str]) -> RawTable:
    """A Parquet file's known columns.

    Raises:
        ContractError: `1A.S1.MERCHANTS_FILE_INVALID` if it cannot be read, lacks a column, or would become
            too large.
    """
    try:
        buffer = pa.BufferReader(data)
        meta = pq.read_metadata(buffer)
        if meta.num_rows > MAX_ROWS:
            raise too_many(path, f"{meta.num_rows:,} rows")
        schema = meta.schema.to_arrow_schema()
        at, ignored = chosen_columns(f"{path}", [folded(name) for name in schema.names], required, optional)
        columns = {schema.names[number]: schema.field(number).type for number in at.values()}
        _require_types(path, columns)
        _require_bounded(path, data, row_groups(footer_bytes(buffer), meta.schema, _MOST_ITEMS), columns)
        text = [
            name
            for name, kind in columns.items()
            if pa.types.is_string(kind) or pa.types.is_large_string(kind)
        ]
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True, read_dictionary=text)
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise invalid(path, str(error)[:200], "a readable Parquet file") from error
    table = RawTable(tuple(at), {"format": "parquet"}, ignored)
    table.rows = _rows(path, file, list(columns), table)
    return table


def _require_types(path: Path, columns: dict[str, pa.DataType]) -> None:
    kinds = pa.types
    right = (
        kinds.is_string,
        kinds.is_large_string,
        kinds.is_integer,
        kinds.is_floating,
        kinds.is_decimal,
        kinds.is_boolean,
        kinds.is_null,
    )
    for name, kind in columns.items():
        plain = kind.value_type if kinds.is_dictionary(kind) else kind
        if not (any(is_kind(plain) for is_kind in right) or kinds.is_time(plain)):
            raise invalid(
                path,
                f"column {name} of type {str(kind)[:60]}",
                "text, numbers or times of day",
                f"write {name} as text",
            )


def _require_bounded(
    path: Path, data: bytes, groups: Iterable[tuple[int, list[ColumnChunk]]], columns: dict[str, pa.DataType]
) -> None:
    """Refuse a file whose known columns would become more than fits, by the headers of their pages."""
    whole = 0
    try:
        for chunk in (chunk for _, chunks in groups for chunk in chunks if chunk.path in columns):
            name, size = chunk.path, 0
            if chunk.flaw:
                raise Malformed(f"column {name}: {chunk.flaw}")
            for page in page_headers(data, chunk.begin, chunk.end):
                size += page.uncompressed
                if page.encoding == DELTA_BYTE_ARRAY and chunk.physical == "BYTE_ARRAY":
                    do = "write the file with PLAIN or dictionary encoding, as pyarrow and pandas do"
                    found = f"column {name} in DELTA_BYTE_ARRAY pages, whose size cannot be told"
                    raise invalid(path, found, "pages of known size", do)
            whole += size
            if size > _MAX_CHUNK or whole > _MAX_DECODED:
                found = f"column {name} becomes {size:,} bytes in a row group, {whole:,} in all"
                raise invalid(
                    path,
                    found,
                    f"at most {_MAX_CHUNK:,} bytes a column and row group, {_MAX_DECODED:,} in all",
                )
    except Malformed as error:
        raise invalid(path, str(error), "a readable Parquet file") from error


def _rows(
    path: Path, file: pq.ParquetFile, columns: Sequence[str], table: RawTable
) -> Iterator[tuple[int, list[Any] | str]]:
    line = 0
    try:
        # As in reference.py, no thread of Arrow holds Python's bytes.
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns), use_threads=False):
            cells = [_cells(path, name, batch.column(batch.schema.get_field_index(name))) for name in columns]
            for row in zip(*cells, strict=True):
                line += 1
                if all(cell is None or cell == "" for cell in row):
                    table.skipped += 1
                    continue
                table.count(path)
                yield line, list(row)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, RuntimeError) as error:
        # text that is not UTF-8, for one
        raise invalid(path, str(error)[:200], "a readable Parquet file") from error


def _cells(path: Path, name: str, values: pa.Array) -> list[Any]:
    if isinstance(values, pa.DictionaryArray):
        words = values.dictionary
        if pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
            longest = pc.max(pc.binary_length(words)).as_py() or 0
            if longest > _MAX_TEXT:
                raise invalid(
                    path,
                    f"column {name} holds a text of {longest:,} bytes",
                    f"texts of at most {_MAX_TEXT:,} bytes",
                )
        values = values.dictionary_decode()
    return [_cell(value) for value in values.to_pylist()]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.time):
        return value.isoformat()
    if isinstance(value, float) and value != value:  # what pandas writes for nothing
        return None
    return value

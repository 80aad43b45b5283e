"""What a published Parquet file may ask of a reader, decided by its footer before any page is decoded.

A file comes from anybody, and a few bytes can say a great many: a run of equal values, a page that unpacks to
gigabytes, a dictionary of one long text that every row names. So the reader compares the footer with the
manifest, and the packing with what our writer uses (snappy at most makes 64 bytes out of 3). It bounds the
memory of the rows by the file's size: at most `LEAST` plus `RATIO` times its bytes. Files of ours take up to
150 times; a refused file is none of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.executors import resident
from sim.ground.errors import GateError, StorageError
from sim.ground.names import COLUMN, is_name
from sim.ground.parquet_footer import footer_bytes, row_groups
from sim.ground.parquet_pages import DELTA_BYTE_ARRAY, page_headers
from sim.ground.thrift import Malformed
from sim.shell.tables.row_groups import ROW_GROUP_ROWS, pieces_of, recorded_groups, wrong
from sim.state.records import PartFile

LEAST = 64 << 20
RATIO = 1024
MOST_COLUMNS = 256
_CODECS = ("SNAPPY", "UNCOMPRESSED")
_UNPACKED = 22  # snappy: a copy of 64 bytes takes 3
_ITEMS = 64  # list items of a column or chunk in a footer: ours have fewer than 20
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 8}
_MOST_ITEMS = 1 << 20


def require_bounded_file(
    where: str, part: PartFile, source: Callable[[], Any], columns: Collection[str] | None = None
) -> None:
    """Compare a file with its manifest entry before its rows are decoded.

    Args:
        where: The file's path or URL.
        part: What the manifest says of it.
        source: Opens it, as a `pyarrow.NativeFile`; may be called twice.
        columns: Those that will be decoded; all by default. Texts of others take no memory.

    Raises:
        GateError, StorageError: As `require_bounded`.
    """
    try:
        with source() as stream:
            decoded, texts = require_bounded(where, part, stream)
        texts = [name for name in texts if columns is None or name in columns]
        if texts:
            with pq.ParquetFile(source(), read_dictionary=texts, page_checksum_verification=True) as file:
                require_room(where, part, decoded + text_bytes(file, texts))
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last: names that are no UTF-8
        if isinstance(error, OSError) and error.errno:
            raise
        raise _refused(where, str(error).strip().splitlines()[0][:200], "an intact Parquet file") from error


def require_bounded(where: str, part: PartFile, stream: pa.NativeFile) -> tuple[int, list[str]]:
    """Compare a file's footer with its manifest entry.

    Args:
        where: The file's path or URL.
        part: What the manifest says of it.
        stream: The file; it is left open.

    Returns:
        Bytes its rows take in memory, texts counted by their pointers, and its columns of texts, as
        `text_columns`.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: it is none that a run wrote.
        StorageError: `SHELL.OUT_OF_MEMORY`: its rows do not fit into the memory that is free.
    """
    file = pq.ParquetFile(stream)
    footer = file.metadata
    names = footer.schema.names
    if (
        len(names) > MOST_COLUMNS
        or footer.num_columns != len(names)
        or not all(is_name(COLUMN, name) for name in names)
    ):
        raise _refused(
            where,
            f"{footer.num_columns} columns, {names[:3]} and so on",
            f"at most {MOST_COLUMNS} flat columns of plain names",
        )
    said = f"{footer.num_rows} rows in {footer.num_row_groups} row groups by its footer"
    recorded = recorded_groups(where, part)
    cut = None if recorded is None or part.rows == 0 else pieces_of([rows for _, rows in recorded])
    most = part.rows // ROW_GROUP_ROWS + 1 if cut is None else len(cut)
    if footer.num_rows != part.rows or footer.num_row_groups > most:
        raise _refused(where, said, f"{part.rows} rows")
    try:
        groups = list(
            row_groups(
                footer_bytes(stream), footer.schema, _ITEMS * (1 + len(names)) * (1 + footer.num_row_groups)
            )
        )
    except Malformed as error:
        raise _refused(where, str(error), "a footer as a run writes it") from error
    if sum(rows for rows, _ in groups) != part.rows:
        raise _refused(where, said, f"{part.rows} rows")
    if cut is not None and [rows for rows, _ in groups] != cut:
        raise wrong(where, said, f"{len(cut)} row groups of {str(cut)[:100]} rows")
    decoded = packed = 0
    for rows, chunks in groups:
        for name, chunk in zip(names, chunks, strict=True):
            if chunk.flaw:
                raise _refused(where, f"{name}: {chunk.flaw}", "metadata of this column")
            if chunk.codec not in _CODECS or chunk.values != rows or chunk.physical not in _WIDTHS:
                found = f"{chunk.values} values of {chunk.physical}, packed as {chunk.codec}"
                raise _refused(where, f"{name}: {found}", f"{rows} values, packed as {' or '.join(_CODECS)}")
            if chunk.unpacked > chunk.packed * _UNPACKED + 4096:
                found = f"{chunk.unpacked} bytes out of {chunk.packed}"
                raise _refused(
                    where, f"{name}: {found}", f"no more than snappy can unpack, {_UNPACKED} times"
                )
            packed += chunk.packed
            decoded += rows * _WIDTHS[chunk.physical]
    if packed > part.bytes:
        raise _refused(where, f"{packed} bytes of pages by its footer", f"at most the file's {part.bytes}")
    require_room(where, part, decoded)
    return decoded, text_columns(file.schema_arrow)


def require_room(where: str, part: PartFile, decoded: int) -> None:
    """Refuse rows that take more memory than a file of this size may, or than is free.

    Raises:
        GateError, StorageError: As `require_bounded`.
    """
    most = LEAST + RATIO * part.bytes
    if decoded > most:
        raise _refused(
            where,
            f"{decoded:,} bytes of rows out of {part.bytes:,}",
            f"at most {most:,}: {LEAST:,} and {RATIO} times its bytes",
        )
    free = resident.available()
    if free is not None and decoded > max(LEAST, free):
        raise StorageError(
            "SHELL.OUT_OF_MEMORY",
            "the rows of a file do not fit into the memory that is free",
            found=f"{decoded:,} bytes of rows",
            expected=f"at most {free:,}",
            where=where,
            do="read it where there is more memory, or ask with closedworld sql RUN QUERY, which needs less",
        )


def require_bounded_table(where: str, data: bytes, most: int) -> None:
    """Check that a whole Parquet file of flat columns stays within a bound before its rows are made.

    Args:
        where: What it is called in a refusal.
        data: The file.
        most: Most bytes its pages may become, its rows may take, and its texts may take at the width of the
            longest of their column.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: it takes more, or does not say what it takes.
        pa.ArrowException, OSError: It is no Parquet file.
    """
    unpacked, texts = 0, set()
    with pa.BufferReader(data) as stream:
        file = pq.ParquetFile(stream)
        rows, names, plain = file.metadata.num_rows, file.metadata.schema.names, file.schema_arrow.names
        try:
            for chunk in (
                chunk
                for _, chunks in row_groups(footer_bytes(stream), file.metadata.schema, _MOST_ITEMS)
                for chunk in chunks
            ):
                if chunk.flaw or chunk.physical not in _WIDTHS:
                    raise _refused(where, f"{chunk.path}: {chunk.flaw or chunk.physical}", ", ".join(_WIDTHS))
                texts |= {chunk.path} if chunk.physical == "BYTE_ARRAY" else set()
                for page in page_headers(data, chunk.begin, chunk.end):
                    unpacked += page.uncompressed
                    if page.encoding == DELTA_BYTE_ARRAY and chunk.physical == "BYTE_ARRAY":
                        raise _refused(
                            where,
                            f"{chunk.path}: DELTA_BYTE_ARRAY pages, whose size cannot be told",
                            "pages of known size",
                        )
        except Malformed as error:
            raise _refused(where, str(error), "an intact Parquet file") from error
    if (
        len(names) > MOST_COLUMNS
        or len(set(names)) != len(names)
        or names != plain
        or not texts <= set(names)
    ):
        raise _refused(
            where,
            f"{len(names)} columns, {names[:3]} and so on",
            f"at most {MOST_COLUMNS} flat columns of their own names",
        )
    decoded = rows * len(names) * 8
    if max(unpacked, decoded) > most:
        raise _refused(
            where, f"{max(unpacked, decoded):,} bytes of rows out of {len(data):,}", f"at most {most:,}"
        )
    with pq.ParquetFile(
        pa.BufferReader(data), read_dictionary=sorted(texts), page_checksum_verification=True
    ) as file:
        taken = max(decoded + text_bytes(file, sorted(texts)), text_width(file, sorted(texts)) * 4 * rows)
    if taken > most:
        raise _refused(where, f"{taken:,} bytes of rows out of {len(data):,}", f"at most {most:,}")


def text_width(file: pq.ParquetFile, names: Sequence[str]) -> int:
    """Bytes of the longest text of each column, added up: arguments as `text_bytes`."""
    longest = dict.fromkeys(names, 0)
    for batch in file.iter_batches(columns=list(names), use_threads=False) if names else ():
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            longest[name] = max(longest[name], pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return sum(longest.values())


def text_bytes(file: pq.ParquetFile, names: Sequence[str]) -> int:
    """Bytes that the texts of a file take once every row holds its own, found without making them.

    Args:
        file: Opened with these columns among its `read_dictionary`.
        names: Its text columns.
    """
    total = 0
    for batch in file.iter_batches(columns=list(names), use_threads=False) if names else ():
        for column in batch.columns:
            lengths = pc.binary_length(column.dictionary)
            total += pc.sum(pc.take(lengths, column.indices.cast(pa.int64()))).as_py() or 0
    return total


def text_columns(schema: pa.Schema) -> list[str]:
    """Columns in which every row holds a text of its own."""
    kinds = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    return [field.name for field in schema if any(kind(field.type) for kind in kinds)]


def _refused(where: str, found: str, expected: str) -> GateError:
    what = "a published file asks for more than a file of a run can"
    do = "restore the file from a copy, or build the run again with another --out"
    return GateError("SHELL.PUBLISHED_FILE_INVALID", what, found, expected, where, do)

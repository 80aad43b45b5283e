"""Parquet files of datasets, by contract.

`arrow.py` holds the conversion between frames and Arrow; both names are public here.

Files are written by pyarrow on every backend: format 2.6, page checksums, row groups of 1,048,576 rows, the
encoding each column's contract names. Compression is snappy: on columns that are delta or dictionary encoded
already, zstd level 1 saved 4 % of the bytes and cost a fifth of the writing speed and almost half of the
reading speed. Category columns carry no min/max: sorted by merchant, a row group of a million rows holds most
countries and zones, so nothing could be skipped, and finding them took 49 of the 131 ns an arrival needs in
the writer. Rows are handed to the encoders 32,768 at a time: by pyarrow's 1,024, the same bytes take 4 %
longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sim.ground.contract_types import Column, Dataset
from sim.ground.errors import GateError, SimError, StorageError, ValidationError
from sim.shell.tables.arrow import (
    Vocabularies,
    arrow_schema,
    arrow_type,
    from_arrow,
    schema_difference,
    schema_problem,
    to_arrow,
)
from sim.shell.tables.bounds import require_bounded_file
from sim.shell.tables.row_groups import ROW_GROUP_ROWS, groups_of
from sim.state.frames import Frame
from sim.state.records import PartFile

__all__ = [
    "Vocabularies",
    "arrow_schema",
    "arrow_type",
    "encode_parquet",
    "from_arrow",
    "read_parquet",
    "schema_problem",
    "to_arrow",
    "write_parquet",
]

BATCH_ROWS = 32_768
COMPRESSION = "snappy"
_PARQUET_ENCODINGS = {
    "plain": "PLAIN",
    "delta": "DELTA_BINARY_PACKED",
    "byte_stream_split": "BYTE_STREAM_SPLIT",
}
# Few distinct values are the rule for these; elsewhere building a dictionary only to give it up is wasted
# work.
_DICTIONARY_BY_DEFAULT = ("category", "string", "int16", "uint16", "int8", "uint8")


def encode_parquet(
    frame: Frame, dataset: Dataset, vocab: Vocabularies, metadata: Mapping[str, str]
) -> pa.Buffer:
    """A frame as the bytes of one Parquet file; equal frames give equal bytes on one pyarrow version.

    Raises:
        ValidationError: As `to_arrow`.
    """
    sink = pa.BufferOutputStream()
    _write(to_arrow(frame, dataset, vocab, metadata), dataset, sink, _cuts(frame, dataset))
    return sink.getvalue()


def write_parquet(
    frame: Frame, dataset: Dataset, vocab: Vocabularies, path: Path, metadata: Mapping[str, str]
) -> None:
    """Write a frame as one Parquet file, the same bytes as `encode_parquet`. Syncing is the publisher's part.

    Raises:
        ValidationError: As `to_arrow`.
        StorageError: `SHELL.IO_WRITE_FAILED`.
    """
    table = to_arrow(frame, dataset, vocab, metadata)
    try:
        _write(table, dataset, path, _cuts(frame, dataset))
    except OSError as error:
        text = error.strerror or str(error)
        raise StorageError(
            "SHELL.IO_WRITE_FAILED",
            "A file could not be written.",
            text,
            "",
            str(path),
            "free space, then resume",
        ) from error


def _write(
    table: pa.Table, dataset: Dataset, target: Path | pa.BufferOutputStream, groups: Sequence[int]
) -> None:
    """Write a table; `groups`: rows after each of which a row group ends, or nothing."""
    dictionary = [column.name for column in dataset.table.columns if _is_dictionary(column)]
    encodings = {
        column.name: _PARQUET_ENCODINGS[column.encoding or "plain"]
        for column in dataset.table.columns
        if not _is_dictionary(column) and column.type != "bool"
    }
    with pq.ParquetWriter(
        target,
        table.schema,
        version="2.6",
        compression=COMPRESSION,
        use_dictionary=dictionary or False,
        column_encoding=encodings or None,
        write_page_checksum=True,
        write_statistics=[column.name for column in dataset.table.columns if column.type != "category"],
        write_batch_size=BATCH_ROWS,
        store_schema=True,
    ) as writer:
        start = 0
        for rows in groups or [table.num_rows]:
            writer.write_table(table.slice(start, rows), row_group_size=ROW_GROUP_ROWS)
            start += rows


def _cuts(frame: Frame, dataset: Dataset) -> list[int]:
    return [] if dataset.row_groups is None else [rows for _, rows in groups_of(frame, dataset.row_groups)]


def read_parquet(
    path: Path,
    dataset: Dataset,
    vocab: Vocabularies,
    columns: Sequence[str] | None = None,
    threads: bool = False,
    part: PartFile | None = None,
) -> Frame:
    """Read one published file, verifying page checksums and the schema.

    Args:
        path: The file.
        dataset: Its contract.
        vocab: All vocabularies by name.
        columns: Only these, in this order.
        threads: Decode columns side by side.
        part: Its manifest entry; if given, the footer is compared with it before a page is decoded.

    Raises:
        ContractError: `SHELL.UNKNOWN_COLUMN`.
        GateError: `SHELL.PUBLISHED_FILE_INVALID` if the file is damaged or follows another contract.
        StorageError: `SHELL.IO_READ_FAILED` if the system refuses to read it.
    """
    names = [
        dataset.table.column(name).name for name in (dataset.table.names if columns is None else columns)
    ]
    with damages(path, dataset):
        if part is not None:
            require_bounded_file(str(path), part, lambda: pa.OSFile(str(path)), names)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            require_schema_of(path, file, dataset, vocab)
            table = file.read(columns=names, use_threads=threads)
            if table.num_rows != file.metadata.num_rows:  # page headers carry no checksum of their own
                raise damaged(
                    path,
                    dataset,
                    f"{table.num_rows} rows in its pages",
                    f"{file.metadata.num_rows} rows by its footer",
                )
        return from_arrow(table.select(names), dataset, vocab, names)


@contextmanager
def damages(path: Path, dataset: Dataset) -> Iterator[None]:
    """Turn what Arrow says of a published file into a refusal of it.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID` if the file is damaged or follows another contract.
        StorageError: `SHELL.IO_READ_FAILED` if the system refuses to read it.
    """
    try:
        yield
    except MemoryError:  # Arrow's is an ArrowException too, and says nothing about the file
        raise
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last: names that are no UTF-8
        # Arrow raises an OSError without a number for a damaged file; a number is the system's, and says
        # nothing about the file.
        if isinstance(error, OSError) and error.errno and not isinstance(error, FileNotFoundError):
            raise StorageError(
                "SHELL.IO_READ_FAILED", "A file could not be read.", str(error), "", str(path), "run again"
            ) from error
        raise damaged(path, dataset, str(error).strip().splitlines()[0], "an intact file") from error
    except ValidationError as error:
        raise damaged(path, dataset, error.found, error.expected) from error


def require_schema(path: Path, data: bytes, dataset: Dataset, vocab: Vocabularies) -> None:
    """The bytes of a file must follow its contract's schema; rows are not looked at.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            require_schema_of(path, file, dataset, vocab)
    except MemoryError:
        raise
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last: names that are no UTF-8
        raise damaged(path, dataset, str(error).strip().splitlines()[0], "an intact file") from error


def require_schema_of(path: Path, file: pq.ParquetFile, dataset: Dataset, vocab: Vocabularies) -> None:
    """As `require_schema`, of a file that is open."""
    expected = arrow_schema(dataset, vocab, {})
    if not file.schema_arrow.equals(expected):
        found, wanted, _ = schema_difference(file.schema_arrow, expected)
        raise damaged(path, dataset, found, wanted)


def _is_dictionary(column: Column) -> bool:
    return (
        column.type == "category"
        or (column.encoding or "") == "dictionary"
        or (column.encoding is None and column.type in _DICTIONARY_BY_DEFAULT)
    )


def damaged(path: Path, dataset: Dataset, found: str, expected: str) -> SimError:
    """The refusal of a published file that cannot be used."""
    what = f"A published file of {dataset.id} cannot be used."
    return GateError(
        "SHELL.PUBLISHED_FILE_INVALID",
        what,
        found,
        expected,
        str(path),
        "restore it, or remove the run and run again",
    )

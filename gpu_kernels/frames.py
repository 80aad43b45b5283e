"""Parquet bytes -> device columns, through libcudf: `sim.shell.tables.parquet.read_parquet` on a device.

The caller has verified the bytes and the schema. libcudf is used through pylibcudf, because every call there
takes the stream; its columns are seen as CuPy arrays without copying. Null slots are zeroed, categories
become codes into the sealed vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Keep = Callable[[Any], None]


class UnexpectedRows(ValueError):
    """A file holds what its contract does not allow."""


@dataclass(frozen=True)
class ColumnSpec:
    """What a contract says of a column.

    Attributes:
        name: Its name.
        type: Contract type, e.g. `id`, `category`, `timestamp_us`.
        dtype: numpy dtype of its values in a frame.
        nullable: Whether it may hold nulls.
        values: The sealed vocabulary of a category.
    """

    name: str
    type: str
    dtype: str
    nullable: bool = False
    values: tuple[str, ...] = ()


def sealed_codes(column: ColumnSpec, written: Sequence[str | None]) -> np.ndarray:
    """For each distinct value of a category column its code in the sealed vocabulary, int16.

    A null's slot is 0.

    Raises:
        UnexpectedRows: A value outside the vocabulary.
    """
    place = {value: code for code, value in enumerate(column.values)}
    strange = sorted(value for value in written if value is not None and value not in place)
    if strange:
        raise UnexpectedRows(f"{strange[0]!r} in {column.name}")
    return np.array([0 if value is None else place[value] for value in written], dtype=np.int16)


def read_parquet(
    data: bytes, columns: Sequence[ColumnSpec], rows: tuple[int, int], stream: Any, keep: Keep
) -> dict[str, tuple[Any, Any]]:
    """Columns of one file.

    Args:
        data: The file.
        columns: Which; no strings.
        rows: Half-open row range.
        stream: The CuPy stream all of it is queued on.
        keep: Told of memory that must live until the stream is done.

    Returns:
        Name -> (CuPy array, CuPy boolean mask of what is present, or None).

    Raises:
        UnexpectedRows: Nulls or categories the contract does not allow, strings, or too few rows.
    """
    import cupy
    import pylibcudf as plc

    for column in columns:
        if column.type == "string":
            raise UnexpectedRows(f"{column.name} is a string column: those stay on the host")
    if rows[0] == rows[1]:
        return {column.name: (cupy.empty(0, column.dtype), None) for column in columns}
    options = (
        plc.io.parquet.ParquetReaderOptions.builder(plc.io.types.SourceInfo([data]))
        .use_arrow_schema(False)
        .build()
    )
    options.set_column_names([column.name for column in columns])
    options.set_skip_rows(rows[0])
    options.set_num_rows(rows[1] - rows[0])
    read = plc.io.parquet.read_parquet(options, stream)
    keep(data)
    if read.tbl.num_rows() != rows[1] - rows[0]:
        raise UnexpectedRows(f"{read.tbl.num_rows()} rows for {rows[1] - rows[0]}")
    found = dict(zip(read.column_names(False), read.tbl.columns(), strict=True))
    return {column.name: _column(column, found[column.name], stream, keep) for column in columns}


def _column(spec: ColumnSpec, column: Any, stream: Any, keep: Keep) -> tuple[Any, Any]:
    """Values and mask of a libcudf column."""
    import cupy
    import pylibcudf as plc

    mask = None
    if column.null_count():
        if not spec.nullable:
            raise UnexpectedRows(f"{column.null_count()} nulls in {spec.name}")
        mask = _seen(plc.unary.is_valid(column, stream), "bool", keep)
    if spec.type == "category":
        distinct, codes = plc.transform.encode(plc.Table([column]), stream)
        table = sealed_codes(spec, distinct.columns()[0].to_arrow(stream=stream).to_pylist())
        values = cupy.array(table)[_seen(codes, "int32", keep)]
    else:
        values = _seen(column, spec.dtype, keep)
    return values if mask is None else cupy.where(mask, values, values.dtype.type(0)), mask


def _seen(column: Any, dtype: str, keep: Keep) -> Any:
    """The data of a fixed-width libcudf column as a CuPy array over the same memory."""
    import cupy

    keep(column)
    span, kind = column.data(), np.dtype(dtype)
    memory = cupy.cuda.UnownedMemory(span.ptr, span.size, column)
    return cupy.ndarray(column.size(), kind, cupy.cuda.MemoryPointer(memory, column.offset() * kind.itemsize))


def decode_parquet(
    data: bytes, columns: Sequence[ColumnSpec], rows: tuple[int, int]
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """The emulated device's reader: results, arguments and errors of `read_parquet`, in host memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for column in columns:
        if column.type == "string":
            raise UnexpectedRows(f"{column.name} is a string column: those stay on the host")
    names = [column.name for column in columns]
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        table = file.read(columns=names).slice(rows[0], rows[1] - rows[0])
    if table.num_rows != rows[1] - rows[0]:
        raise UnexpectedRows(f"{table.num_rows} rows for {rows[1] - rows[0]}")
    return {column.name: _decoded(column, table[column.name].combine_chunks()) for column in columns}


def _decoded(spec: ColumnSpec, array: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and mask of an Arrow array."""
    import pyarrow as pa

    if array.null_count and not spec.nullable:
        raise UnexpectedRows(f"{array.null_count} nulls in {spec.name}")
    mask = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    if spec.type == "category":
        codes = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        values = sealed_codes(spec, [*array.dictionary.to_pylist(), None])[codes]
        return values if mask is None else np.where(mask, values, np.int16(0)), mask
    if spec.type in ("timestamp_us", "date"):
        array = array.view(pa.int64() if spec.type == "timestamp_us" else pa.int32())
    values = array.fill_null(False if spec.type == "bool" else 0).to_numpy(zero_copy_only=False)
    # an id is int64 in files and uint64 in frames, the same bits
    return values if spec.type == "bool" else values.view(spec.dtype), mask

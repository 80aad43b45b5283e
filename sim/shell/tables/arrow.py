"""Frames <-> Arrow tables, by contract: explicit schemas, nothing inferred, fixed-width columns never copied.

Category columns are `dictionary<int16, string>` whose dictionary is the whole sealed vocabulary; times are
`timestamp[us, UTC]`, dates `date32`; ids are int64 over the memory of the frame's uint64 (`check_frame`
refuses an id that is not the same number in both). Strings, booleans and masks are packed anew, since their
layouts differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sim.ground.contract_types import Column, Dataset, nearest
from sim.ground.errors import ValidationError
from sim.ground.hints import code_hint
from sim.shell.tables.digest import zero_nulls
from sim.state.frames import Array, Frame

Vocabularies = Mapping[str, Sequence[str]]
_NAMED = {
    "id": pa.int64(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "string": pa.string(),
}


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column."""
    if column.type == "timestamp_us":
        return pa.timestamp("us", tz="UTC")
    if column.type == "category":
        return pa.dictionary(pa.int16(), pa.string())
    return _NAMED.get(column.type) or getattr(pa, column.type)()


def arrow_schema(dataset: Dataset, vocab: Vocabularies, metadata: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of a dataset's files, with key-value metadata.

    Raises:
        ValidationError: `SHELL.VOCABULARY_MISSING` if a category column's vocabulary is not in `vocab`.
    """
    for column in dataset.table.columns:
        vocabulary_of(dataset, column, vocab)
    fields = [
        pa.field(column.name, arrow_type(column), nullable=column.nullable)
        for column in dataset.table.columns
    ]
    return pa.schema(fields, metadata=dict(metadata))


def to_arrow(frame: Frame, dataset: Dataset, vocab: Vocabularies, metadata: Mapping[str, str]) -> pa.Table:
    """A frame as an Arrow table over the same memory (booleans, masks and strings are packed anew).

    Raises:
        ValidationError: `SHELL.TABLE_SCHEMA` naming the column that is missing, unknown, of another dtype, or
            holds nulls or codes it must not.
    """
    schema = arrow_schema(dataset, vocab, metadata)
    problem = schema_problem(frame, dataset)
    if problem:
        raise _schema_error(dataset, *problem)
    arrays = [_to_array(frame, dataset, column, vocab) for column in dataset.table.columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def schema_problem(frame: Frame, dataset: Dataset) -> tuple[str, str, str] | None:
    """The first way in which a frame's columns are not the contract's: (found, expected, do), or None."""
    table = dataset.table
    for name in frame.names:
        if name not in table.names:
            return f"an unknown column {name!r}", "the columns of the contract", nearest(name, table.names)
    for column in table.columns:
        if column.name not in frame:
            return (
                f"no column {column.name!r}",
                f"{column.name}: {column.type}",
                "compute it or drop it from the contract",
            )
        dtype, shape = frame[column.name].dtype, frame[column.name].shape
        good = dtype.kind in "OU" if column.type == "string" else dtype == np.dtype(column.numpy_dtype)
        if not good or len(shape) != 1:
            return (
                f"{column.name} of dtype {dtype}, shape {shape}",
                f"{column.numpy_dtype}, 1-d ({column.type})",
                "convert it in the state",
            )
        mask = frame.valid.get(column.name)
        if mask is not None and mask.dtype != np.bool_:
            return (
                f"{column.name} with a mask of dtype {mask.dtype}",
                "a bool mask",
                "convert it in the state",
            )
        if mask is not None and not column.nullable and not mask.all():
            return (
                f"{int((~mask).sum())} nulls in {column.name}",
                "no nulls",
                "declare it nullable or fill it",
            )
    return None


def from_arrow(
    table: pa.Table, dataset: Dataset, vocab: Vocabularies, columns: Sequence[str] | None = None
) -> Frame:
    """Turn an Arrow table into a frame: null slots zeroed, categories as sealed codes.

    Fixed-width columns of a single chunk are not copied.

    Args:
        table: Its schema must be the contract's (or the named columns of it), metadata aside.
        dataset: The dataset it belongs to.
        vocab: All vocabularies by name.
        columns: Names to keep, in this order; all by default.

    Raises:
        ValidationError: `SHELL.TABLE_SCHEMA` on another schema, or a category value outside its vocabulary.
    """
    wanted = [dataset.table.column(name) for name in (dataset.table.names if columns is None else columns)]
    expected = pa.schema(
        [pa.field(column.name, arrow_type(column), nullable=column.nullable) for column in wanted]
    )
    if not table.schema.equals(expected):
        raise _schema_error(dataset, *schema_difference(table.schema, expected))
    values: dict[str, Array] = {}
    masks: dict[str, Array] = {}
    for column in wanted:
        chunked = table[column.name]
        array = (
            chunked.chunk(0)
            if chunked.num_chunks == 1
            else pa.concat_arrays(chunked.chunks or [pa.array([], chunked.type)])
        )
        if array.null_count and not column.nullable:
            raise _schema_error(dataset, f"{array.null_count} nulls in {column.name}", "no nulls", "")
        mask = _unpack(array.is_valid()) if array.null_count else None
        values[column.name] = _from_array(array, mask, dataset, column, vocab)
        if mask is not None:
            masks[column.name] = mask
    return Frame(values, masks)


def vocabulary_of(dataset: Dataset, column: Column, vocab: Vocabularies) -> Sequence[str]:
    """The sealed values of a category column; empty for other columns."""
    if column.vocabulary is None:
        return ()
    if column.vocabulary not in vocab:
        what = f"The vocabulary of {dataset.id}.{column.name} is not loaded."
        raise ValidationError(
            "SHELL.VOCABULARY_MISSING",
            what,
            column.vocabulary,
            "a vocabulary",
            "",
            nearest(column.vocabulary, vocab),
        )
    return vocab[column.vocabulary]


def _to_array(frame: Frame, dataset: Dataset, column: Column, vocab: Vocabularies) -> pa.Array:
    values, mask = frame[column.name], frame.valid.get(column.name) if column.nullable else None
    rows = len(values)
    nulls = 0 if mask is None else rows - int(np.count_nonzero(mask))
    if column.type == "string":
        return pa.array(values.tolist(), pa.string(), mask=~mask if mask is not None and nulls else None)
    bits = pa.py_buffer(np.packbits(mask, bitorder="little")) if mask is not None and nulls else None
    if column.type == "bool":
        return pa.Array.from_buffers(
            pa.bool_(), rows, [bits, pa.py_buffer(np.packbits(values, bitorder="little"))], nulls
        )
    data = pa.py_buffer(np.ascontiguousarray(values))
    if column.type != "category":
        return pa.Array.from_buffers(arrow_type(column), rows, [bits, data], nulls)
    vocabulary = vocabulary_of(dataset, column, vocab)
    used = values if mask is None else zero_nulls(values, mask)
    if rows and (int(used.min()) < 0 or int(used.max()) >= len(vocabulary)):
        found = f"codes {int(used.min())}..{int(used.max())} in {column.name}"
        raise _schema_error(dataset, found, f"0..{len(vocabulary) - 1} ({column.vocabulary})", "")
    indices = pa.Array.from_buffers(pa.int16(), rows, [bits, data], nulls)
    return pa.DictionaryArray.from_arrays(indices, pa.array(vocabulary, pa.string()), safe=False)


def _from_array(
    array: pa.Array, mask: Array | None, dataset: Dataset, column: Column, vocab: Vocabularies
) -> Array:
    if column.type == "string":
        values: Array = np.array(array.to_pylist(), dtype=object)
        if mask is not None:
            values[~mask] = ""
        return values
    if column.type == "bool":
        return zero_nulls(_unpack(array), mask)
    if column.type == "category":
        codes = zero_nulls(_view(array.indices, np.dtype("int16")), mask)
        return _sealed_codes(codes, mask, array.dictionary.to_pylist(), dataset, column, vocab)
    return zero_nulls(_view(array, np.dtype(column.numpy_dtype)), mask)


def _sealed_codes(
    codes: Array,
    mask: Array | None,
    written: list[Any],
    dataset: Dataset,
    column: Column,
    vocab: Vocabularies,
) -> Array:
    """Codes into a file's dictionary as codes into the sealed vocabulary."""
    sealed = vocabulary_of(dataset, column, vocab)
    present = codes if mask is None else codes[mask]
    if len(present) and (int(present.min()) < 0 or int(present.max()) >= len(written)):
        raise _schema_error(
            dataset, f"codes outside the dictionary of {column.name}", f"0..{len(written) - 1}", ""
        )
    if written == list(sealed[: len(written)]):
        return codes
    place = {value: code for code, value in enumerate(sealed)}
    table = np.array([place.get(value, -1) for value in written], dtype=np.int16)
    moved = table[codes] if mask is None else np.where(mask, table[codes], np.int16(0))
    strange = np.unique(codes[moved < 0])
    if len(strange):
        what = f"{written[int(strange[0])]!r} in {column.name}"
        raise _schema_error(
            dataset,
            what,
            f"a value of {column.vocabulary}",
            code_hint(str(written[int(strange[0])]), sealed, {}),
        )
    return moved


def _view(array: pa.Array, dtype: np.dtype[Any]) -> Array:
    """The values buffer of a fixed-width array as numpy, without copying."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.empty(0, dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype, count=len(array), offset=array.offset * dtype.itemsize)


def _unpack(array: pa.Array) -> Array:
    """A bit-packed boolean array as bytes."""
    if len(array) == 0:
        return np.empty(0, dtype=np.bool_)
    bits = np.frombuffer(array.buffers()[1], dtype=np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :].view(
        np.bool_
    )


def schema_difference(found: pa.Schema, expected: pa.Schema) -> tuple[str, str, str]:
    """(found, expected, do) of the first difference between two schemas."""
    for field in expected:
        if field.name not in found.names:
            return f"no column {field.name!r}", str(field), ""
        if not found.field(field.name).equals(field):
            return str(found.field(field.name)), str(field), ""
    extra = [name for name in found.names if name not in expected.names]
    if extra:
        return (
            f"an unknown column {extra[0]!r}",
            "the columns of the contract",
            nearest(extra[0], expected.names),
        )
    return f"columns {found.names}", f"columns {expected.names}", ""


def _schema_error(dataset: Dataset, found: str, expected: str, do: str) -> ValidationError:
    return ValidationError(
        "SHELL.TABLE_SCHEMA",
        f"{dataset.id} does not follow its contract.",
        found,
        expected,
        dataset.where,
        do,
    )

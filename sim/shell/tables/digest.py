"""The logical digest of a table: what parity between backends, writers and machines is defined on.

Law `closedworld.table.v1`, all lengths and counts little-endian, frame(b) = u32 length + b:

    column  = BLAKE3( frame("closedworld.column.v1") + frame(name) + frame(type) + u8 nullable
                      + [category: u32 count + frame(value) for each value of the vocabulary]
                      + u64 rows + [nullable: one byte a row, 1 = present] + values )
    piece   = BLAKE3( frame("closedworld.table.v1") + u32 columns + column digests in contract order )
    dataset = BLAKE3( frame("closedworld.dataset.v1") + u64 pieces + piece digests in file order )

Values are fixed-width little-endian, an id the eight bytes that it is as int64 and as uint64; booleans and
validity are one byte; the values of null slots are zero; categories are int16 codes into the vocabulary
framed in the header; strings are frame(utf8) each. binary64 is hashed as its bits, so -0.0 and 0.0 are
different contents (no arithmetic of ours should make one where the other is meant); NaN never gets here
(`checks.py`).

Contiguous columns are hashed in place; BLAKE3 runs at several GB/s a core.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from sim.ground.contract_types import Column, Dataset, TableContract
from sim.ground.identity import frame as framed
from sim.state.frames import Array, Frame

assert sys.byteorder == "little", "values are hashed as they lie in memory"
_TEXTS = 1 << 18  # texts framed at a time


def column_digest(
    column: Column, values: Array, valid: Array | None, vocabulary: Sequence[str] = ()
) -> bytes:
    """32-byte digest of one column of one partition.

    Args:
        column: Its contract.
        values: Values in the contract's numpy dtype, 1-d.
        valid: Boolean mask of present values, or None when there are no nulls.
        vocabulary: All values of a category column's vocabulary.

    Raises:
        ValueError: If the array's dtype is not the contract's (a digest of reinterpreted bytes would be
            meaningless), or a text is missing that is not null.
    """
    digest = blake3(
        framed("closedworld.column.v1") + framed(column.name) + framed(column.type) + bytes([column.nullable])
    )
    if column.type == "category":
        digest.update(_framed_list(tuple(vocabulary)))
    digest.update(struct.pack("<Q", len(values)))
    if column.nullable:
        present = np.ones(len(values), dtype=np.bool_) if valid is None else valid
        digest.update(_bytes(present))
    if column.type == "string":
        texts = values if valid is None else np.where(valid, values, "")
        for first in range(0, len(texts), _TEXTS):
            digest.update(_framed_texts(texts[first : first + _TEXTS]))
        return bytes(digest.digest())
    if values.dtype != np.dtype(column.numpy_dtype):
        raise ValueError(f"column {column.name!r} is {values.dtype}, its contract says {column.numpy_dtype}")
    digest.update(_bytes(zero_nulls(values, valid)))
    return bytes(digest.digest())


def _framed_texts(texts: Array) -> memoryview:
    """frame(utf8) of each text, one after the other: Arrow joins the lengths with the texts, row by row."""
    encoded = pa.array(texts, type=pa.large_string()).view(pa.large_binary())
    if encoded.null_count:
        raise ValueError(f"{encoded.null_count} of the texts are None")
    lengths = pa.py_buffer(pc.binary_length(encoded).to_numpy().astype("<u4"))
    heads = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(texts), [None, lengths])
    nothing = pa.scalar(b"", pa.large_binary())
    joined = pc.binary_join_element_wise(heads.cast(pa.large_binary()), encoded, nothing)
    _, offsets, data = joined.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[joined.offset : joined.offset + len(texts) + 1]
    return memoryview(data)[ends[0] : ends[-1]]


@lru_cache(maxsize=256)
def _framed_list(vocabulary: tuple[str, ...]) -> bytes:
    """Framed once a vocabulary: every category column of every partition begins with it."""
    return struct.pack("<I", len(vocabulary)) + b"".join(framed(value) for value in vocabulary)


def zero_nulls(values: Array, valid: Array | None) -> Array:
    """The values with null slots set to zero; the same array when they already are."""
    if valid is None:
        return values
    # Bits, not numbers: a null slot holding -0.0 is not zero.
    bits = values.view(np.uint64) if values.dtype.kind == "f" else values
    if not ((bits != 0) > valid).any():
        return values
    return np.where(valid, values, values.dtype.type(0))


def table_digest(frame: Frame, contract: Dataset | TableContract, vocab: Mapping[str, Sequence[str]]) -> str:
    """Digest of one partition, 64 hex digits.

    Args:
        frame: Exactly the contract's columns; their order in the frame does not matter.
        contract: The table contract, or the dataset it belongs to.
        vocab: All vocabularies by name.
    """
    table = contract.table if isinstance(contract, Dataset) else contract
    pieces = [
        column_digest(
            column,
            frame[column.name],
            frame.valid.get(column.name),
            vocab[column.vocabulary] if column.vocabulary else (),
        )
        for column in table.columns
    ]
    head = framed("closedworld.table.v1") + struct.pack("<I", len(pieces))
    return str(blake3(head + b"".join(pieces)).hexdigest())


def combine_digests(digests: Sequence[str]) -> str:
    """Digest of a dataset from its partitions' digests in file order, 64 hex digits."""
    head = framed("closedworld.dataset.v1") + struct.pack("<Q", len(digests))
    return str(blake3(head + b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest())


def _bytes(array: Array) -> memoryview:
    """The array's memory; copied only if it is strided."""
    return np.ascontiguousarray(array).view(np.uint8).data

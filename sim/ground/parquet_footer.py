"""Our own reader of a Parquet footer's column chunks.

Arrow's `FileMetaData.row_group(i).column(j)` aborts the process if a chunk's size statistics do not fit its
column or its metadata are encrypted; `write_metadata_file` aborts if the file claims to be encrypted. So this
module reads the footer's bytes, by the kinds that the Parquet format gives its fields. It refuses a footer
that another reader could understand differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sim.ground.thrift import BINARY, BOOL, I16, I32, I64, Compact, Malformed, Struct

PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
"""Names of the physical types, by number."""
CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
"""Names of the ways to pack pages, by number."""

_TAIL = 1 << 16
_PAIRS: list[Struct] = [{1: BINARY, 2: BINARY}]
_STATISTICS = {1: BINARY, 2: BINARY, 3: I64, 4: I64, 5: BINARY, 6: BINARY, 7: BOOL, 8: BOOL}
_SIZES = {1: I64, 2: [I64], 3: [I64]}
_COLUMN: Struct = {
    1: I32,
    2: [I32],
    3: [BINARY],
    4: I32,
    5: I64,
    6: I64,
    7: I64,
    8: _PAIRS,
    9: I64,
    10: I64,
    11: I64,
    12: _STATISTICS,
    13: [{1: I32, 2: I32, 3: I32}],
    14: I64,
    15: I32,
    16: _SIZES,
    17: {1: {}, 2: [I32]},
}
_CHUNK: Struct = {1: BINARY, 2: I64, 3: _COLUMN, 4: I64, 5: I32, 6: I64, 7: I32, 8: {}, 9: BINARY}
_GROUP: Struct = {1: [_CHUNK], 2: I64, 3: I64, 4: [{1: I32, 2: BOOL, 3: BOOL}], 5: I64, 6: I64, 7: I16}
_ELEMENT: Struct = {1: I32, 2: I32, 3: I32, 4: BINARY, 5: I32, 6: I32, 7: I32, 8: I32, 9: I32, 10: {}}
_FILE: Struct = {1: I32, 2: [_ELEMENT], 3: I64, 4: [_GROUP], 5: _PAIRS, 6: BINARY, 7: [{}], 8: {}, 9: BINARY}


@dataclass(frozen=True)
class ColumnChunk:
    """One column of one row group, by the footer.

    Attributes:
        path: Dotted name of its column, by the schema.
        physical: Name of its physical type.
        codec: Name of how its pages are packed.
        values: Values it holds, nulls among them.
        unpacked: Bytes of its pages once unpacked.
        packed: Bytes of its pages in the file.
        begin: Where its first page begins, a dictionary's among them.
        flaw: Why Arrow cannot look at it, or nothing.
    """

    path: str
    physical: str
    codec: str
    values: int
    unpacked: int
    packed: int
    begin: int
    flaw: str

    @property
    def end(self) -> int:
        """Where its last page ends."""
        return self.begin + self.packed


def footer_bytes(stream: Any) -> bytes:
    """The footer of a file.

    Args:
        stream: A `pyarrow.NativeFile` that can be read anywhere; it is left open.

    Raises:
        Malformed: If the file has none, or an encrypted one.
    """
    whole = stream.size()
    stream.seek(max(0, whole - _TAIL))
    tail = stream.read(min(whole, _TAIL))
    size = int.from_bytes(tail[-8:-4], "little")
    if tail[-4:] != b"PAR1" or not 0 < size <= whole - 8:
        raise Malformed("a file without a footer")
    if size + 8 > len(tail):
        stream.seek(whole - 8 - size)
        tail = stream.read(size + 8)
    return bytes(tail[-8 - size : -8])


def row_groups(footer: bytes, schema: Any, most: int) -> Iterator[tuple[int, list[ColumnChunk]]]:
    """Rows and column chunks of every row group.

    Args:
        footer: As `footer_bytes`.
        schema: The `pyarrow.parquet.ParquetSchema` that Arrow read from it.
        most: List items of all kinds that the footer may hold.

    Raises:
        Malformed: If it holds more, or what no footer does.
    """
    fields = Compact(footer, 0, len(footer), most).struct(_FILE)
    if 8 in fields or 9 in fields:
        raise Malformed("an encrypted file")
    levels = [schema.column(number) for number in range(len(schema))]
    for group in fields.get(4, ()):
        chunks = group.get(1, ())
        if len(chunks) != len(levels):
            raise Malformed(f"a row group of {len(chunks)} columns, where the schema has {len(levels)}")
        yield _count(group, 3), [_chunk(chunk, level) for chunk, level in zip(chunks, levels, strict=True)]


def _chunk(chunk: dict[int, Any], level: Any) -> ColumnChunk:
    about = chunk.get(3)
    if about is None:
        raise Malformed("a column without metadata")
    path = ".".join(part.decode("utf-8", "replace") for part in about.get(3) or ())
    begin, dictionary = _count(about, 9), _count(about, 11)
    physical = _word(PHYSICAL, about, 1)
    flaw = ""
    if 8 in chunk or 9 in chunk:
        flaw = "encrypted metadata"
    elif path != level.path or physical != level.physical_type:
        flaw = f"a chunk of {path}, {physical}, in the place of {level.path}, {level.physical_type}"
    elif 16 in about:
        flaw = _sizes_flaw(about[16], level)
    return ColumnChunk(
        level.path,
        physical,
        _word(CODECS, about, 4),
        _count(about, 5),
        _count(about, 6),
        _count(about, 7),
        min(begin, dictionary or begin),
        flaw,
    )


def _sizes_flaw(sizes: dict[int, Any], level: Any) -> str:
    """What Arrow would refuse in size statistics, or None.

    A histogram must have a place for every level, and only text columns may state a size of their bytes.
    """
    for number, most in ((2, level.max_repetition_level), (3, level.max_definition_level)):
        if sizes.get(number) and len(sizes[number]) != most + 1:
            return f"size statistics of {len(sizes[number])} levels, where the column has {most + 1}"
    return (
        "size statistics of texts in a column of none"
        if 1 in sizes and level.physical_type != "BYTE_ARRAY"
        else ""
    )


def _count(fields: dict[int, Any], number: int) -> int:
    found: int = fields.get(number, 0)
    if found < 0:
        raise Malformed("a figure that is no count")
    return found


def _word(words: tuple[str, ...], fields: dict[int, Any], number: int) -> str:
    found = fields.get(number)
    return words[found] if found is not None and 0 <= found < len(words) else f"number {found}"

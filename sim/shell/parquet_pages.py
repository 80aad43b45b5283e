"""Headers of Parquet pages, read without decoding a page: what a column chunk would become, by its own word page by page.

A header is a struct in Thrift's compact protocol. Arrow allocates what a page header says and refuses a page that becomes anything else,
so the sum of the headers bounds what decoding takes. The footer's sums are not used: nothing checks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DELTA_BYTE_ARRAY = 7
"""Encoding whose values repeat the front of the value before: a page of it may become any size."""
_DEPTH, _LONGEST_LIST = 8, 64
_BOOL_TRUE, _BOOL_FALSE, _BYTE, _INTS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, (9, 10), 12


class BadPage(ValueError):
    """Bytes that are no header of a page."""


@dataclass(frozen=True)
class PageHeader:
    """What one page says of itself.

    Attributes:
        uncompressed: Bytes it becomes.
        values: Values it holds.
        encoding: Number of the encoding of its values, -1 for an index page.
    """

    uncompressed: int
    values: int
    encoding: int


def page_headers(data: bytes, start: int, stop: int) -> Iterator[PageHeader]:
    """The headers of the pages of one column chunk.

    Args:
        data: The whole file.
        start: Where its first page begins.
        stop: Where its last page ends.

    Raises:
        BadPage: If the bytes there are no pages.
    """
    if not 0 <= start <= stop <= len(data):
        raise BadPage("pages outside the file")
    while start < stop:
        reader = _Compact(data, start, stop)
        fields = reader.struct(0)
        inner: dict[int, Any] = next((fields[number] for number in (5, 7, 8) if isinstance(fields.get(number), dict)), {})
        sizes = [fields.get(2), fields.get(3)]
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise BadPage("a page without a size")
        values, encoding = inner.get(1, 0), inner.get(4 if 8 in fields else 2, -1)
        if type(values) is not int or type(encoding) is not int:
            raise BadPage("a page header whose figures are none")
        yield PageHeader(fields[2], values, encoding)
        start = reader.at + fields[3]
    if start > stop:
        raise BadPage("a page that ends behind its column")


def column_chunks(data: bytes, most: int) -> Iterator[tuple[str, int, int, int]]:
    """(Dotted path, physical type, first byte, end) of every column chunk, by the footer; Arrow's own accessors abort on a damaged one.

    Raises:
        BadPage: If the footer is none, or lists more than `most` things.
    """
    size = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != b"PAR1" or not 0 < size <= len(data) - 8:
        raise BadPage("a file without a footer")
    footer = _Compact(data, len(data) - 8 - size, len(data) - 8, most).struct(0)
    for group in footer.get(4) or ():
        for chunk in group.get(1) or () if isinstance(group, dict) else ():
            about = chunk.get(3) if isinstance(chunk, dict) else None
            if not isinstance(about, dict) or not isinstance(about.get(3), list):
                raise BadPage("a column without a name")
            places = [about.get(number, 0) for number in (1, 7, 9, 11)]
            if not all(type(number) is int and number >= 0 for number in places):
                raise BadPage("a column without a place")
            kind, length, begin, dictionary = places
            begin = min(begin, dictionary or begin)
            yield ".".join(str(part) for part in about[3]), kind, begin, begin + length


class _Compact:
    """A cursor over structs in Thrift's compact protocol, reading at most `most` list items in all."""

    def __init__(self, data: bytes, at: int, stop: int, most: int = _LONGEST_LIST) -> None:
        self.data, self.at, self.stop, self.left = data, at, stop, most

    def byte(self) -> int:
        if self.at >= self.stop:
            raise BadPage("a page header that is cut off")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            part = self.byte()
            value |= (part & 0x7F) << shift
            if part < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise BadPage("a number that does not end")

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > _DEPTH:
            raise BadPage("a page header nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            fields[number] = self.value(head & 15, depth)
        return fields

    def value(self, kind: int, depth: int) -> Any:
        if kind in (_BOOL_TRUE, _BOOL_FALSE):
            return kind == _BOOL_TRUE
        if kind == _BYTE:
            return self.byte()
        if kind in _INTS:
            return self.integer()
        if kind == _DOUBLE:
            return self.skip(8)
        if kind == _BINARY:
            size = self.varint()
            self.skip(size)
            return self.data[self.at - size : self.at].decode("utf-8", "replace")
        if kind in _LISTS:
            head = self.byte()
            count = self.varint() if head >> 4 == 15 else head >> 4
            self.left -= count
            if self.left < 0 or depth > _DEPTH:
                raise BadPage("more lists than such a file has")
            return [self.value(head & 15, depth + 1) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise BadPage(f"a field of kind {kind}")

    def skip(self, size: int) -> None:
        if size > self.stop - self.at:
            raise BadPage("a page header that is cut off")
        self.at += size

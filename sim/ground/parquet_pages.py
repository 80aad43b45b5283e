"""Headers of Parquet pages, read without decoding a page: the decoded size that each page states.

A header is a struct in Thrift's compact protocol. Arrow allocates what a page header says and refuses a page
that becomes anything else, so the sum of the headers bounds what decoding takes. The footer's sums are not
used: nothing checks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sim.ground.thrift import Compact, Malformed

DELTA_BYTE_ARRAY = 7
"""Encoding whose values repeat the front of the value before: a page of it may become any size."""
_LONGEST_LIST = 64


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
        Malformed: If the bytes there are no pages.
    """
    if not 0 <= start <= stop <= len(data):
        raise Malformed("pages outside the file")
    while start < stop:
        reader = Compact(data, start, stop, _LONGEST_LIST)
        fields = reader.struct()
        inner: dict[int, Any] = next(
            (fields[number] for number in (5, 7, 8) if isinstance(fields.get(number), dict)), {}
        )
        sizes = [fields.get(2), fields.get(3)]
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise Malformed("a page without a size")
        values, encoding = inner.get(1, 0), inner.get(4 if 8 in fields else 2, -1)
        if type(values) is not int or type(encoding) is not int:
            raise Malformed("a page header whose figures are none")
        yield PageHeader(fields[2], values, encoding)
        start = reader.at + fields[3]
    if start > stop:
        raise Malformed("a page that ends behind its column")

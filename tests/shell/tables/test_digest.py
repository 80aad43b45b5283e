"""The content digest: golden vectors, and what must and must not move it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.ground.contract_types import Column, Dataset
from sim.shell.tables import digest
from sim.shell.tables.digest import column_digest, combine_digests, table_digest
from sim.state.frames import Array, Frame

VOCAB = {"colour": ("red", "green", "blue")}
ID, PAINT = Column("id", "uint64"), Column("paint", "category", True, vocabulary="colour")
NOTE, AT = Column("note", "string"), Column("at", "timestamp_us")
MakeDataset = Callable[..., Dataset]


def framed(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


def shop(**changes: Array) -> Frame:
    columns: dict[str, Array] = {
        "id": np.array([1, 2**64 - 1], dtype=np.uint64),
        "paint": np.array([2, 0], dtype=np.int16),
        "note": np.array(["", "é"], dtype=object),
        "at": np.array([-1, 10**15], dtype=np.int64),
    }
    return Frame({**columns, **changes}, {"paint": np.array([True, False])})


@pytest.fixture
def dataset(make_dataset: MakeDataset) -> Dataset:
    return make_dataset(ID, PAINT, NOTE, AT)


def test_law_spelled_out(dataset: Dataset) -> None:
    """The law of the module's docstring, written again from struct.pack."""
    head = framed("closedworld.column.v1")
    columns = [
        head + framed("id") + framed("uint64") + b"\0" + struct.pack("<QQQ", 2, 1, 2**64 - 1),
        head + framed("paint") + framed("category") + b"\1"
        + struct.pack("<I", 3) + framed("red") + framed("green") + framed("blue")
        + struct.pack("<Q", 2) + b"\1\0" + struct.pack("<hh", 2, 0),
        head + framed("note") + framed("string") + b"\0" + struct.pack("<Q", 2) + framed("") + framed("é"),
        head + framed("at") + framed("timestamp_us") + b"\0" + struct.pack("<Qqq", 2, -1, 10**15),
    ]  # fmt: skip
    piece = blake3(
        framed("closedworld.table.v1")
        + struct.pack("<I", 4)
        + b"".join(blake3(data).digest() for data in columns)
    ).hexdigest()
    assert table_digest(shop(), dataset, VOCAB) == piece
    assert table_digest(shop(), dataset.table, VOCAB) == piece
    whole = blake3(framed("closedworld.dataset.v1") + struct.pack("<Q", 1) + bytes.fromhex(piece)).hexdigest()
    assert combine_digests([piece]) == whole


GOLDEN = {
    "shop": "ce7bd3f04429b891c40cc40c7aa54b2d2f353c967da61ee62a554e66afdb36da",
    "empty": "8cd4964152efbd101ddec97b380e2687d3fc293186a367602cbfd645b2d12e09",
    "no partitions": "2bcc0e57217e86eed4f3e081056b910e9c51e172626d8be7b8676359f703bd26",
    "two partitions": "df5cd3f038063bc6ae861470767fa6ae494522b46d95ba21649611b447ced2ea",
}


def test_golden(dataset: Dataset) -> None:
    empty = shop().slice(0, 0)
    first, second = (
        table_digest(shop().slice(0, 1), dataset, VOCAB),
        table_digest(shop().slice(1, 2), dataset, VOCAB),
    )
    found = {
        "shop": table_digest(shop(), dataset, VOCAB),
        "empty": table_digest(empty, dataset, VOCAB),
        "no partitions": combine_digests([]),
        "two partitions": combine_digests([first, second]),
    }
    assert found == GOLDEN


CHANGES = {
    "value": lambda: shop(id=np.array([1, 2], dtype=np.uint64)),
    "row order": lambda: shop().take(np.array([1, 0])),
    "fewer rows": lambda: shop().slice(0, 1),
    "text": lambda: shop(note=np.array(["é", ""], dtype=object)),
    "validity": lambda: Frame(dict(shop().items())),
    "code": lambda: shop(paint=np.array([1, 0], dtype=np.int16)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_content_moves_it(dataset: Dataset, name: str) -> None:
    assert table_digest(CHANGES[name](), dataset, VOCAB) != table_digest(shop(), dataset, VOCAB)


def test_contract_moves_it(make_dataset: MakeDataset, dataset: Dataset) -> None:
    before = table_digest(shop(), dataset, VOCAB)
    assert table_digest(shop(), make_dataset(PAINT, ID, NOTE, AT), VOCAB) != before
    assert table_digest(shop(), make_dataset(ID, PAINT, NOTE, Column("at", "int64")), VOCAB) != before
    assert table_digest(shop(), make_dataset(Column("id", "uint64", True), PAINT, NOTE, AT), VOCAB) != before
    renamed = Frame({**dict(shop().select("paint", "note", "at").items()), "key": shop()["id"]}, shop().valid)
    assert table_digest(renamed, make_dataset(Column("key", "uint64"), PAINT, NOTE, AT), VOCAB) != before
    assert table_digest(shop(), dataset, {"colour": ("red", "green", "blue", "black")}) != before
    assert table_digest(shop(), dataset, {"colour": ("green", "red", "blue")}) != before


def test_what_does_not_move_it(dataset: Dataset) -> None:
    before = table_digest(shop(), dataset, VOCAB)
    # null slots count as zero
    assert table_digest(shop(paint=np.array([2, 1], dtype=np.int16)), dataset, VOCAB) == before
    # contract order, not frame order
    assert table_digest(shop().select("at", "note", "paint", "id"), dataset, VOCAB) == before
    assert table_digest(shop(note=np.array(["", "é"])), dataset, VOCAB) == before  # numpy text or objects


def _one_by_one(column: Column, texts: list[str]) -> bytes:
    """The law of a column of texts, a text at a time."""
    head = framed("closedworld.column.v1") + framed(column.name) + framed(column.type)
    head += bytes([column.nullable]) + struct.pack("<Q", len(texts))
    present = bytes(len(texts) * [1]) if column.nullable else b""
    return blake3(head + present + b"".join(framed(text) for text in texts)).digest()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=30), st.booleans(), st.integers(1, 7))
@example(["", "\0", "\0\0", "a\0"], False, 2)
def test_texts_are_framed_as_one_by_one(texts: list[str], nullable: bool, at_a_time: int) -> None:
    column = Column("note", "string", nullable)
    values = np.array([*texts, None], dtype=object)[:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "_TEXTS", at_a_time)
        assert column_digest(column, values, None) == _one_by_one(column, texts)


def test_more_texts_than_are_framed_at_a_time() -> None:
    texts = [f"{row:x}" * (row % 5) for row in range(digest._TEXTS * 2 + 3)]
    assert column_digest(NOTE, np.array(texts, dtype=object), None) == _one_by_one(NOTE, texts)


def test_a_missing_text_has_no_digest() -> None:
    with pytest.raises(ValueError, match="None"):
        column_digest(NOTE, np.array(["a", None], dtype=object), None)
    with pytest.raises(UnicodeEncodeError):
        column_digest(NOTE, np.array(["\ud800"], dtype=object), None)
    hidden = np.array([True, False])
    gaps = Column("note", "string", True)
    found = {column_digest(gaps, np.array(["a", other], dtype=object), hidden) for other in ("", "b", None)}
    assert len(found) == 1


def test_partitions_move_it(dataset: Dataset) -> None:
    first, second = (
        table_digest(shop().slice(0, 1), dataset, VOCAB),
        table_digest(shop().slice(1, 2), dataset, VOCAB),
    )
    both = table_digest(shop(), dataset, VOCAB)
    digests = {
        combine_digests(parts)
        for parts in ([first, second], [second, first], [first], [first, first], [], [both])
    }
    assert len(digests) == 6


def test_float_bits_and_dtypes() -> None:
    number = Column("f", "float64")
    assert column_digest(number, np.array([0.0]), None) != column_digest(number, np.array([-0.0]), None)
    gaps = Column("f", "float64", True)
    hidden = [
        column_digest(gaps, np.array([1.0, blank]), np.array([True, False]))
        for blank in (0.0, -0.0, 7.0, np.nan)
    ]
    assert len(set(hidden)) == 1
    with pytest.raises(ValueError, match="uint64"):
        column_digest(ID, np.array([1], dtype=np.int64), None)

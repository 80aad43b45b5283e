"""Addresses: the grammar and what it refuses, and that one expression gives the same words for ints,
arrays and any dtype.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.rng import ENTITY_KEY, AddressError, AddressOverflow, Field, Stream, Streams, block, evaluate
from sim.rng.grammar import parse
from tests.kernels.binder import ROOT

STREAMS = Streams.from_document(yaml.safe_load((ROOT / "contracts/rng/streams.yaml").read_text()))
GIVEN = {
    name: Field(name, bits, name)
    for name, bits in (("wide", 64), ("half", 32), ("byte", 8), ("flag", 1), ("long", 40))
}
FIELDS = GIVEN | {"pair": Field.parse("pair", {"of": "half << 8 | byte", "is": "both"}, GIVEN)}
ENTRY: dict[str, Any] = {
    "id": "1A.x",
    "entity": "x",
    "c0": "half << 8",
    "c1": "wide",
    "draws": 1,
    "scope": "world",
}


def value(text: str, **given: Any) -> Any:
    return evaluate((parse(text, FIELDS),), given, who="x")[0]


def test_parts_lie_side_by_side() -> None:
    assert value("0") == 0
    assert (
        value("half << 32 | flag << 8 | byte", half=0xFFFFFFFF, flag=1, byte=7)
        == 0xFFFFFFFF << 32 | 1 << 8 | 7
    )
    assert (
        value("pair << 1 | flag", half=3, byte=5, flag=1)
        == value("pair << 1 | flag", pair=3 << 8 | 5, flag=1)
        == (3 << 8 | 5) << 1 | 1
    )


def test_hashes_are_those_of_the_kernel_and_tags_flip_bits() -> None:
    assert value("hash(wide, pair)", wide=9, half=1, byte=2) == block(ENTITY_KEY, 9, 258)[0]
    assert value("hash(half, wide ^ 0x7a)", half=1, wide=0xFF) == block(ENTITY_KEY, 1, 0xFF ^ 0x7A)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("half + byte", "operator that is not one of the grammar. Found '+'"),
        ("half << 8 || byte", "not of the grammar. Found '|'"),
        ("half >> 8", "operator that is not one of the grammar. Found '>'"),
        ("half << byte", "expected a number"),
        ("half <<", "Found its end"),
        ("hash(half)", "Found ')'"),
        ("hash(half, byte", "Found its end"),
        ("1 | half", "expected a field or hash"),
        ("HALF", "Found 'H'"),
        ("", "Found its end"),
        ("halves", "unknown field. Found halves"),
        ("half << 40", "too wide. Found half << 40, 32 bits wide"),
        ("half << 99999999999999999999", "no word holds"),
        ("wide | byte", "overlap. Found"),
        ("half << 7 | byte", "overlap. Found byte ends at bit 8, half begins at bit 7"),
        ("pair << 8 | half", "overlap. Found half ends at bit 32, pair begins at bit 8"),
        ("hash(half, byte) | flag", "overlap"),
        ("byte ^ 0xfff | half << 8", "overlap. Found byte ends at bit 12"),
    ],
)
def test_what_is_not_of_the_grammar_is_refused(text: str, words: str) -> None:
    with pytest.raises(AddressError, match=re.escape(words)):
        parse(text, FIELDS)


def test_an_unknown_field_is_told_what_it_may_have_been() -> None:
    with pytest.raises(AddressError) as error:
        parse("halfway", FIELDS)
    assert error.value.do == "did you mean 'half'?"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"is": "x"}, "either given or made"),
        ({"is": "x", "bits": 3, "of": "half"}, "either given or made"),
        ({"is": "x", "bits": 0}, "a width no word has"),
        ({"is": "x", "bits": 65}, "a width no word has"),
        ({"is": "x", "of": "later << 1"}, "unknown field"),
        ({"is": "x", "of": "byte << 60"}, "too wide"),
    ],
)
def test_fields_that_are_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(AddressError, match=words):
        Field.parse("x", entry, FIELDS)


@pytest.mark.parametrize("name", ["block", "stream", "draws", "scenario", "names", "entities", "ctx", "hash"])
def test_names_that_calls_use_are_no_fields(name: str) -> None:
    with pytest.raises(AddressError, match="calls use themselves"):
        Field.parse(name, {"is": "x", "bits": 3}, {})


@pytest.mark.parametrize(
    ("change", "words", "key"),
    [
        ({"c0": "half << 8 | half"}, "overlap", "c0"),
        ({"c0": "byte | byte << 8"}, "twice in one word", "c0"),
        ({"c1": "wide << 1"}, "too wide", "c1"),
        ({"c0": "half << 8 | block"}, "one block counts none", "c0"),
        ({"c1": "block"}, "unknown field", "c1"),
        ({"draws": 3}, "no block in c0", "c0"),
        (
            {"draws": 3, "c0": "half | block << 32"},
            "lowest bits of c0. Found 2 blocks, and block << 32",
            "c0",
        ),
        ({"draws": 3, "c0": "hash(half, block)"}, "no block in c0", "c0"),
        ({"draws": 3, "c0": "half << 1 | block | hash(byte, block) << 0"}, "overlap", "c0"),
        (
            {"draws": 513, "c0": "half << 8 | block"},
            "overlap. Found block ends at bit 9, half begins at bit 8",
            "c0",
        ),
        ({"draws": "as many as need be"}, "said once", "draws"),
        ({"draws": "as many as need be", "blocks": 257, "c0": "half << 8 | block"}, "overlap", "c0"),
        ({"draws": 2, "blocks": 1}, "said once", "draws"),
    ],
)
def test_streams_that_are_refused(change: dict[str, Any], words: str, key: str) -> None:
    with pytest.raises(AddressError, match=re.escape(words)) as error:
        Stream.parse(ENTRY | change, FIELDS)
    assert error.value.key == key


def test_blocks_follow_from_draws() -> None:
    for draws, blocks in ((0, 1), (1, 1), (2, 1), (3, 2), (512, 256)):
        c0 = "half << 8 | block" if blocks > 1 else "half << 8"
        assert Stream.parse(ENTRY | {"draws": draws, "c0": c0}, FIELDS).blocks == blocks
    stream = Stream.parse(ENTRY | {"draws": "many", "blocks": 256, "c0": "half << 8 | block"}, FIELDS)
    assert stream.address({"half": 1, "wide": 2}).c0 == 256
    assert stream.address({"half": 1, "wide": 2, "block": 255}).c0 == 511
    with pytest.raises(AddressOverflow):
        stream.address({"half": 1, "wide": 2, "block": 256})


def test_every_field_must_be_given_and_no_other() -> None:
    stream = Stream.parse(ENTRY | {"c0": "pair << 8"}, FIELDS)
    assert [field.name for field in stream.fields] == ["pair", "wide"]
    assert [field.name for field in stream.all_fields] == ["pair", "half", "byte", "wide"]
    with pytest.raises(AddressError, match=r"1A\.x needs a field that is not given\. Found no byte"):
        stream.address({"half": 1, "wide": 1})
    with pytest.raises(AddressError, match=r"has no use for\. Found flag"):
        stream.address({"pair": 1, "wide": 1, "flag": 1})
    with pytest.raises(AddressError, match=r"has no use for\. Found byte"):
        stream.address({"pair": 1, "byte": 1, "wide": 1})
    for wrong in (1.0, np.float64(1), np.ones(2), "1", None, True):
        with pytest.raises(AddressError, match="whole number"):
            stream.address({"pair": wrong, "wide": 1})
    with pytest.raises(AddressError, match="different lengths"):
        stream.address({"pair": np.zeros(2, np.uint64), "wide": np.zeros(3, np.uint64)})


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 15, 16, 31, 32, 33, 62, 63, 64])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_values_are_taken_iff_they_fit(bits: int, dtype: str) -> None:
    limits, node = np.iinfo(dtype), (Field("x", bits, "x"),)
    for edge in {int(limits.min), -1, 0, 1, (1 << bits) - 1, 1 << bits, int(limits.max)}:
        if not limits.min <= edge <= limits.max:
            continue
        for made in (
            edge,
            np.dtype(dtype).type(edge),
            np.array([0, edge, 0], dtype=dtype),
            np.array([[1, edge]], dtype=dtype)[0, ::1],
        ):
            if 0 <= edge < 1 << bits:
                (found,) = evaluate(node, {"x": made})
                assert (
                    found == edge
                    if isinstance(found, int)
                    else (found.dtype == np.uint64 and edge in found.tolist())
                )
            else:
                with pytest.raises(AddressOverflow, match=rf"x = {edge}; expected 0 \.\. 2\*\*{bits} - 1"):
                    evaluate(node, {"x": made})
    assert evaluate(node, {"x": np.zeros(0, dtype=dtype)})[0].dtype == np.uint64


def test_flags_are_numbers_of_one_bit() -> None:
    assert value("flag << 3", flag=np.array([True, False])).tolist() == [8, 0]


def test_a_word_that_is_one_array_is_not_copied_and_a_given_array_never_changed() -> None:
    stream = Stream.parse(ENTRY | {"c0": "long << 8 | byte"}, FIELDS)
    wide, long, byte = (np.arange(5, dtype=np.uint64) for _ in range(3))
    found = stream.address({"wide": wide, "long": long, "byte": byte})
    assert found.c1 is wide and len(found) == 5
    assert found.c0.tolist() == [each << 8 | each for each in range(5)]
    assert wide.tolist() == long.tolist() == byte.tolist() == list(range(5))
    assert stream.address({"wide": wide, "long": 1, "byte": 0}).c0.tolist() == [256] * 5
    assert stream.address({"wide": 7, "long": long, "byte": 1}).c1.tolist() == [7] * 5


@settings(deadline=None, max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_stream_gives_arrays_what_it_gives_ints(name: str, data: st.DataObject) -> None:
    """... from leaves alone, edges included; words differ where fields do, for all that is not hashed."""
    stream = STREAMS[name]
    leaves = [field for field in stream.all_fields if field.of is None]
    rows = data.draw(st.lists(st.tuples(*(edges(field.bits) for field in leaves)), min_size=1, max_size=5))
    arrays = {
        field.name: np.array([row[at] for row in rows], dtype=np.uint64) for at, field in enumerate(leaves)
    }
    many = stream.address(arrays)
    for at, row in enumerate(rows):
        one = stream.address({field.name: row[place] for place, field in enumerate(leaves)})
        assert (one.c0, one.c1) == (int(many.c0[at]), int(many.c1[at]))
    packed = [at for at, field in enumerate(leaves) if field.name in shown(stream)]
    found = {(int(many.c0[at]), int(many.c1[at])) for at in range(len(rows))}
    assert len(found) >= len({tuple(row[at] for at in packed) for row in rows})


def edges(bits: int) -> st.SearchStrategy[int]:
    return st.sampled_from(sorted({0, 1, (1 << bits) - 1, 1 << (bits - 1)})) | st.integers(0, (1 << bits) - 1)


def shown(stream: Stream) -> set[str]:
    """Names of the fields whose bits are in the words, not in a hash."""
    hidden = {name for name in STREAMS.fields if "hash(" in STREAMS.fields[name].text}
    found, pending = set(), [field for field in stream.fields if field.name not in hidden]
    while pending:
        field = pending.pop()
        found.add(field.name)
        if field.text:
            pending += [STREAMS.fields[name] for name in re.findall(r"[a-z][a-z0-9_]*", field.text)]
    return found

"""Frames, Arrow and Parquet: every type round-trips, every wrong column is named,
every damaged page is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.ground.contract_types import NUMPY_DTYPES, Column, Dataset
from sim.ground.errors import ContractError, GateError, StorageError, ValidationError
from sim.shell.tables.digest import table_digest
from sim.shell.tables.parquet import (
    arrow_schema,
    encode_parquet,
    from_arrow,
    read_parquet,
    to_arrow,
    write_parquet,
)
from sim.state.frames import Frame

VOCAB = {"colour": ("red", "green", "blue"), "letter": tuple("abcdefghij")}
MakeDataset = Callable[..., Dataset]


def column(type: str, nullable: bool = False, encoding: str | None = None, name: str = "x") -> Column:
    return Column(
        name, type, nullable, vocabulary="colour" if type == "category" else None, encoding=encoding
    )


def values_of(type: str) -> st.SearchStrategy[object]:
    if type == "category":
        return st.integers(0, 2)
    if type == "string":
        return st.text(st.characters(codec="utf-8"), max_size=5)
    if type == "bool":
        return st.booleans()
    if type == "float64":
        return st.floats(allow_nan=False, allow_infinity=False)
    limits = np.iinfo(np.dtype(NUMPY_DTYPES[type]))
    return st.integers(int(limits.min), int(limits.max)) | st.sampled_from([int(limits.min), int(limits.max)])


def frame_of(type: str, values: list[object], valid: list[bool] | None) -> Frame:
    blank = "" if type == "string" else 0
    kept = (
        values
        if valid is None
        else [value if here else blank for value, here in zip(values, valid, strict=True)]
    )
    array = np.array(kept, dtype=NUMPY_DTYPES[type])
    return Frame({"x": array}, {} if valid is None or all(valid) else {"x": np.array(valid, dtype=np.bool_)})


def assert_same(found: Frame, expected: Frame) -> None:
    assert found.names == expected.names and sorted(found.valid) == sorted(expected.valid)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].tolist() == array.tolist()
    for name, mask in expected.valid.items():
        assert found.valid[name].tolist() == mask.tolist()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), type=st.sampled_from(sorted(NUMPY_DTYPES)), nullable=st.booleans())
def test_round_trip(
    make_dataset: MakeDataset, tmp_path: Path, data: st.DataObject, type: str, nullable: bool
) -> None:
    values = data.draw(st.lists(values_of(type), max_size=20))
    valid = (
        data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))) if nullable else None
    )
    dataset, frame = make_dataset(column(type, nullable)), frame_of(type, values, valid)
    table = to_arrow(frame, dataset, VOCAB, {"run": "1"})
    table.validate(full=True)
    assert_same(from_arrow(table, dataset, VOCAB), frame)
    path = tmp_path / "x.parquet"
    write_parquet(frame, dataset, VOCAB, path, {"run": "1"})
    back = read_parquet(path, dataset, VOCAB)
    assert_same(back, frame)
    assert table_digest(back, dataset, VOCAB) == table_digest(frame, dataset, VOCAB)
    assert encode_parquet(frame, dataset, VOCAB, {"run": "1"}).to_pybytes() == path.read_bytes()


ENCODED = [
    (
        "delta",
        "DELTA_BINARY_PACKED",
        [
            "id",
            "uint64",
            "int64",
            "uint32",
            "int32",
            "uint16",
            "int16",
            "uint8",
            "int8",
            "timestamp_us",
            "date",
        ],
    ),
    ("plain", "PLAIN", ["id", "uint64", "int64", "float64", "int16", "string", "date"]),
    ("dictionary", "RLE_DICTIONARY", ["id", "uint64", "int32", "string", "category"]),
    ("byte_stream_split", "BYTE_STREAM_SPLIT", ["float64", "uint64", "int32", "timestamp_us"]),
]


@pytest.mark.parametrize(
    ("encoding", "written", "type"),
    [(encoding, written, type) for encoding, written, types in ENCODED for type in types],
)
def test_encodings(make_dataset: MakeDataset, tmp_path: Path, encoding: str, written: str, type: str) -> None:
    dataset = make_dataset(column(type, True, encoding))
    values: list[object] = ["a", "b", "c"] if type == "string" else [0, 1, 2]
    frame = frame_of(type, values * 100, [True, False, True] * 100)
    path = tmp_path / "x.parquet"
    write_parquet(frame, dataset, VOCAB, path, {})
    assert_same(read_parquet(path, dataset, VOCAB), frame)
    meta = pq.read_metadata(path)
    chunk = meta.row_group(0).column(0)
    assert written in chunk.encodings
    assert ("RLE_DICTIONARY" in chunk.encodings) is (written == "RLE_DICTIONARY")
    assert chunk.compression == "SNAPPY" and chunk.is_stats_set is (type != "category")
    assert meta.format_version == "2.6"


def test_several_row_groups_and_columns(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset(
        column("uint64", name="id"), column("category", True, name="paint"), column("bool", True, name="flag")
    )
    rows = (1 << 20) + 5
    mask = np.arange(rows) % 3 != 0
    paint = np.where(mask, np.arange(rows) % 3, 0).astype(np.int16)
    frame = Frame(
        {"id": np.arange(rows, dtype=np.uint64) + 2**63, "paint": paint, "flag": mask & True},
        {"paint": mask, "flag": mask},
    )
    path = tmp_path / "x.parquet"
    write_parquet(frame, dataset, VOCAB, path, {"seed": "42"})
    assert pq.read_metadata(path).num_row_groups == 2
    assert pq.read_schema(path).metadata[b"seed"] == b"42"
    back = read_parquet(path, dataset, VOCAB)
    for name in frame.names:
        assert np.array_equal(back[name], frame[name])
    only = read_parquet(path, dataset, VOCAB, ["flag", "id"])
    assert only.names == ("flag", "id") and list(only.valid) == ["flag"]


def test_fixed_width_columns_are_not_copied(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(column("uint64"))
    values = np.arange(10, dtype=np.uint64)
    table = to_arrow(Frame({"x": values}), dataset, VOCAB, {})
    assert table["x"].chunk(0).buffers()[1].address == values.ctypes.data
    assert from_arrow(table, dataset, VOCAB)["x"].ctypes.data == values.ctypes.data


@pytest.mark.parametrize("valid", [[True, True, True], [True, False, True], [False, False, False]])
def test_what_is_present_does_not_depend_on_masks(make_dataset: MakeDataset, valid: list[bool]) -> None:
    """A file without nulls comes back without masks; a state that asks which rows are present is answered all
    the same.
    """
    dataset = make_dataset(column("uint64", nullable=True))
    frame = frame_of("uint64", [1, 2, 3], valid)
    back = from_arrow(to_arrow(frame, dataset, VOCAB, {}), dataset, VOCAB)
    assert ("x" in back.valid) == (not all(valid))
    assert frame.present("x").tolist() == back.present("x").tolist() == valid
    assert back.take(np.array([0])).present("x").tolist() == valid[:1]


def test_strided_columns(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(column("int32"))
    frame = Frame({"x": np.arange(10, dtype=np.int32)[::2]})
    assert from_arrow(to_arrow(frame, dataset, VOCAB, {}), dataset, VOCAB)["x"].tolist() == [0, 2, 4, 6, 8]
    assert table_digest(frame, dataset, VOCAB) == table_digest(
        Frame({"x": frame["x"].copy()}), dataset, VOCAB
    )


def test_dictionary_holds_the_whole_vocabulary(make_dataset: MakeDataset) -> None:
    table = to_arrow(Frame({"x": np.array([2], dtype=np.int16)}), make_dataset(column("category")), VOCAB, {})
    assert table["x"].chunk(0).dictionary.to_pylist() == ["red", "green", "blue"]


@pytest.mark.parametrize("order", [["blue", "red"], ["blue", "green", "red"], ["red", "green", "blue"]])
def test_categories_return_to_sealed_codes(make_dataset: MakeDataset, order: list[str]) -> None:
    dataset = make_dataset(column("category", True))
    indices = pa.array([0, None, 1], pa.int16())
    table = pa.table({"x": pa.DictionaryArray.from_arrays(indices, pa.array(order))})
    frame = from_arrow(table, dataset, VOCAB)
    assert frame["x"].tolist() == [VOCAB["colour"].index(order[0]), 0, VOCAB["colour"].index(order[1])]
    assert frame.valid["x"].tolist() == [True, False, True]


def test_chunks_with_different_dictionaries(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(column("category"))
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int16()), pa.array(order))
        for order in (["blue", "red"], ["green", "blue"])
    ]
    table = pa.Table.from_arrays([pa.chunked_array(chunks)], schema=arrow_schema(dataset, VOCAB, {}))
    assert from_arrow(table, dataset, VOCAB)["x"].tolist() == [2, 0, 1, 2]


def test_strange_category(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(column("category", True))
    table = pa.table(
        {"x": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int16()), pa.array(["red", "gren"]))}
    )
    with pytest.raises(ValidationError) as caught:
        from_arrow(table, dataset, VOCAB)
    assert (caught.value.found, caught.value.expected, caught.value.do) == (
        "'gren' in x",
        "a value of colour",
        "",
    )
    unused = pa.table(
        {"x": pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int16()), pa.array(["red", "gren"]))}
    )
    assert from_arrow(unused, dataset, VOCAB)["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame({"y": np.zeros(1, np.uint64)}), "unknown column 'y'"),
        (Frame({}), "no column 'x'"),
        (Frame({"x": np.zeros(1, np.int64)}), "x of dtype int64"),
        (Frame({"x": np.zeros((1, 1), np.uint64)}), "shape (1, 1)"),
        (Frame({"x": np.zeros(1, ">u8")}), "x of dtype >u8"),
        (Frame({"x": np.zeros(2, np.uint64)}, {"x": np.array([True, False])}), "1 nulls in x"),
        (Frame({"x": np.zeros(2, np.uint64)}, {"x": np.array([1, 0])}), "mask of dtype int64"),
        (Frame({"x": np.zeros(1, np.uint64), "z": np.zeros(1, np.uint64)}), "unknown column 'z'"),
    ],
)
def test_wrong_frames(make_dataset: MakeDataset, frame: Frame, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        to_arrow(frame, make_dataset(column("uint64")), VOCAB, {})
    assert words in caught.value.found


def test_wrong_codes_and_vocabularies(make_dataset: MakeDataset) -> None:
    for code in (3, -1):
        with pytest.raises(ValidationError, match="does not follow"):
            to_arrow(
                Frame({"x": np.array([code], dtype=np.int16)}), make_dataset(column("category")), VOCAB, {}
            )
    with pytest.raises(ValidationError, match="not loaded"):
        arrow_schema(make_dataset(Column("x", "category", vocabulary="color")), VOCAB, {})


def test_published_file_of_another_contract(make_dataset: MakeDataset, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(Frame({"x": np.zeros(3, np.uint64)}), make_dataset(column("uint64")), VOCAB, path, {})
    with pytest.raises(GateError) as caught:
        read_parquet(path, make_dataset(column("int64")), VOCAB)
    assert "uint64" in caught.value.found and "int64" in caught.value.expected
    with pytest.raises(GateError):
        read_parquet(tmp_path / "absent.parquet", make_dataset(column("int64")), VOCAB)
    (tmp_path / "junk.parquet").write_bytes(b"PAR1junk")
    with pytest.raises(GateError):
        read_parquet(tmp_path / "junk.parquet", make_dataset(column("int64")), VOCAB)
    with pytest.raises(ContractError):
        read_parquet(path, make_dataset(column("uint64")), VOCAB, ["y"])
    with pytest.raises(StorageError):
        write_parquet(
            Frame({"x": np.zeros(3, np.uint64)}),
            make_dataset(column("uint64")),
            VOCAB,
            tmp_path / "no" / "x.parquet",
            {},
        )


@pytest.mark.parametrize("type", ["uint64", "category", "float64", "string"])
def test_a_flipped_bit_in_a_page_is_caught(make_dataset: MakeDataset, tmp_path: Path, type: str) -> None:
    dataset = make_dataset(column(type))
    values: list[object] = (
        [f"text {number}" for number in range(500)]
        if type == "string"
        else [number % 3 for number in range(500)]
    )
    path = tmp_path / "x.parquet"
    write_parquet(frame_of(type, values, None), dataset, VOCAB, path, {})
    data = path.read_bytes()
    chunk = pq.read_metadata(path).row_group(0).column(0)
    begin = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
    end = begin + chunk.total_compressed_size
    caught = 0
    for place in range(begin, end, max(1, (end - begin) // 48)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            back = read_parquet(path, dataset, VOCAB)
        except GateError:
            caught += 1
        else:
            # A page header may carry a bit nobody uses; the rows then are what was written.
            assert back["x"].tolist() == frame_of(type, values, None)["x"].tolist()
    assert caught >= 40

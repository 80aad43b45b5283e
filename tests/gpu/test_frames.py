"""Parquet read for a device equals Parquet read for the host: values, masks, null slots, sealed codes,
refusals.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpu_kernels.device import CudaDevice
from gpu_kernels.frames import ColumnSpec, UnexpectedRows, decode_parquet, sealed_codes
from sim.ground.contract_types import COLUMN_TYPES, NUMPY_DTYPES, Column, Dataset, TableContract
from sim.shell.tables.parquet import encode_parquet, read_parquet
from sim.state.frames import Frame

VOCAB = {"colour": ("red", "green", "blue")}
TYPES = [name for name in COLUMN_TYPES if name != "string"]
ROWS = 300


def dataset_of(columns):
    table = TableContract("t", "", tuple(columns))
    return Dataset("t", "1A", 1, "", "data/t", (), table, (), ())


def values_of(name, rng):
    dtype = np.dtype(NUMPY_DTYPES[name])
    if name == "category":
        return rng.integers(0, 3, ROWS).astype(np.int16)
    if dtype.kind == "b":
        return rng.random(ROWS) < 0.5
    if dtype.kind == "f":
        return np.concatenate([[-0.0, 0.0, 1e300, 5e-324], rng.standard_normal(ROWS - 4)])
    info = np.iinfo(dtype)
    return np.concatenate(
        [np.array([info.min, info.max], dtype), rng.integers(info.min, info.max, ROWS - 2, dtype=dtype)]
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(dataset, path, bytes) of a table with every type, plain and nullable."""
    rng = np.random.default_rng(5)
    columns, values, masks = [], {}, {}
    for name in TYPES:
        for nullable in (False, True):
            vocabulary = "colour" if name == "category" else None
            column = Column(
                f"{name}_{'maybe' if nullable else 'sure'}", name, nullable, vocabulary=vocabulary
            )
            columns.append(column)
            values[column.name] = values_of(name, rng)
            if nullable:
                masks[column.name] = rng.random(ROWS) < 0.7
    dataset = dataset_of(columns)
    path = tmp_path_factory.mktemp("frames") / "t.parquet"
    path.write_bytes(encode_parquet(Frame(values, masks), dataset, VOCAB, {}))
    return dataset, path, path.read_bytes()


def specs(dataset):
    return [
        ColumnSpec(
            column.name,
            column.type,
            column.numpy_dtype,
            column.nullable,
            VOCAB["colour"] if column.vocabulary else (),
        )
        for column in dataset.table.columns
    ]


def check(found, frame, host=lambda array: array):
    assert tuple(found) == frame.names
    for name, (values, mask) in found.items():
        values, mask = host(values), None if mask is None else host(mask)
        wanted, present = frame[name], frame.valid.get(name)
        assert values.dtype == wanted.dtype and values.tobytes() == wanted.tobytes(), name
        # The host's mask belongs to the file, the device's to the rows asked for: no nulls among these is no
        # mask.
        assert (mask is None and (present is None or present.all())) or (
            mask.dtype == np.bool_ and (mask == present).all()
        ), name


@pytest.mark.parametrize("rows", [(0, ROWS), (7, 200), (299, 300), (4, 4)])
def test_same_as_the_host(written, rows):
    dataset, path, data = written
    check(decode_parquet(data, specs(dataset), rows), read_parquet(path, dataset, VOCAB).slice(*rows))


def test_chosen_columns_in_their_order(written):
    dataset, path, data = written
    wanted = specs(dataset)[::-3]
    found = decode_parquet(data, wanted, (0, ROWS))
    check(found, read_parquet(path, dataset, VOCAB, [spec.name for spec in wanted]))


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [(0, ROWS), (7, 200), (299, 300), (4, 4)])
def test_same_on_a_gpu(written, rows, tmp_path):
    pytest.importorskip("pylibcudf", reason="cuDF is not installed")
    dataset, path, data = written
    device = CudaDevice(tmp_path / "cubins")
    with device.session():
        found = device.read_parquet(data, specs(dataset), rows)
        check(found, read_parquet(path, dataset, VOCAB).slice(*rows), device.download)


def test_codes_follow_the_vocabulary_not_the_file():
    spec = ColumnSpec("c", "category", "int16", True, ("red", "green", "blue"))
    assert sealed_codes(spec, ["blue", None, "red"]).tolist() == [2, 0, 0]
    table = pa.table(
        {
            "c": pa.DictionaryArray.from_arrays(
                pa.array([1, None, 0, 1], pa.int16()), pa.array(["blue", "green"])
            )
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    values, mask = decode_parquet(sink.getvalue().to_pybytes(), [spec], (0, 4))["c"]
    assert values.tolist() == [1, 0, 2, 1] and mask.tolist() == [True, False, True, True]


def test_refusals(written, tmp_path: Path):
    _, _, data = written
    with pytest.raises(UnexpectedRows, match="nulls in int64_maybe"):
        decode_parquet(data, [ColumnSpec("int64_maybe", "int64", "int64")], (0, ROWS))
    with pytest.raises(UnexpectedRows, match="300 rows for 301"):
        decode_parquet(data, [ColumnSpec("int64_sure", "int64", "int64")], (0, ROWS + 1))
    with pytest.raises(UnexpectedRows, match="'blue' in category_sure"):
        decode_parquet(
            data, [ColumnSpec("category_sure", "category", "int16", False, ("red", "green"))], (0, ROWS)
        )
    with pytest.raises(UnexpectedRows, match="string column"):
        decode_parquet(data, [ColumnSpec("s", "string", "object")], (0, ROWS))

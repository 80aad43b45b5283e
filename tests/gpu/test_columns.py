"""Columns on both sides: the same operations on numpy's arrays and on the device's give the same values and
dtypes, to the last bit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sim.backends import Backend
from sim.backends.device_backend import emulated_backend, gpu_backend
from sim.recipes.groups import grouped, prefix, run_lengths, run_of_row, run_offsets, run_starts, sum_by_run
from sim.recipes.join import joined, look_up, match
from sim.state.columns import Columns
from sim.state.frames import Frame, concat, order

INTEGERS = [np.dtype(name) for name in ("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")]
KEYS = [np.dtype(np.bool_), *INTEGERS]
SIZES = st.integers(0, 40)


def few(dtype: np.dtype[Any], size: int) -> st.SearchStrategy[Any]:
    """Columns with many equal values, among them the extremes of their dtype."""
    if dtype.kind == "b":
        return arrays.arrays(dtype, size)
    info = np.iinfo(dtype)
    values = st.sampled_from([info.min, 0, 1, 2, info.max // 2 + 1, info.max])
    return arrays.arrays(dtype, size, elements=st.one_of(values, st.integers(info.min, info.max)))


@st.composite
def key_columns(draw: Callable[..., Any]) -> list[Any]:
    size = draw(SIZES)
    return [draw(few(dtype, size)) for dtype in draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))]


@st.composite
def runs(draw: Callable[..., Any], dtypes: tuple[type, ...] = (np.uint64, np.int64)) -> tuple[Any, Any]:
    """Values and the offsets of their runs, empty runs among them."""
    counts = np.array(draw(st.lists(st.integers(0, 5), max_size=12)), dtype=np.uint64)
    offsets = np.append(np.uint64(0), np.cumsum(counts, dtype=np.uint64))
    return draw(few(np.dtype(draw(st.sampled_from(dtypes))), int(offsets[-1]))), offsets


class Device:
    """The other side: columns in a device's memory."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.columns, self.host = Columns(backend, resident=True), Columns(backend, resident=False)

    def same(self, work: Callable[..., Any], *given: Any) -> Any:
        """What `work` makes of host columns, once it made the same of device columns, on the device."""
        expected = work(*given)
        self.gives(lambda: work(*map(self.moved, given)), expected)
        return expected

    def gives(self, work: Callable[[], Any], expected: Any) -> None:
        """Hold what `work` makes on the device against numpy's."""
        self.backend.ops.turn(lambda: self._compare(work(), expected))

    def moved(self, value: Any) -> Any:
        return self.columns.place(value) if isinstance(value, np.ndarray | Frame) else value

    def refuses(self, error: type[Exception], match: str, work: Callable[..., Any], *given: Any) -> None:
        """Both sides refuse, in the same words."""
        for values in (lambda: given, lambda: map(self.moved, given)):
            with pytest.raises(error, match=match):
                self.backend.ops.turn(lambda values=values: work(*values()))

    def _compare(self, found: Any, expected: Any) -> None:
        if isinstance(expected, tuple):
            for one, other in zip(found, expected, strict=True):
                self._compare(one, other)
        elif isinstance(expected, Frame):
            assert found.names == expected.names and found.valid.keys() == expected.valid.keys()
            self._compare(
                tuple(array for _, array in found.items()), tuple(array for _, array in expected.items())
            )
            self._compare(tuple(found.valid.values()), tuple(expected.valid.values()))
        else:
            assert self.backend.ops._device.resident(found) and isinstance(expected, np.ndarray)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert self.backend.ops.to_host(found).tobytes() == expected.tobytes()


@pytest.fixture(scope="module", params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def there(request: pytest.FixtureRequest) -> Device:
    return Device(gpu_backend() if request.param == "gpu" else emulated_backend())


@given(key_columns())
def test_order_is_stable_by_several_keys(there, keys):
    found = there.same(order, *keys)
    assert found.dtype == np.int64
    rows = sorted(range(len(keys[0])), key=lambda row: tuple(key[row] for key in keys))
    assert found.tolist() == rows


@given(key_columns(), st.data())
def test_frames_sort_take_group_and_join_end_to_end(there, keys, data):
    names = [f"k{number}" for number in range(len(keys))]
    mask = data.draw(arrays.arrays(np.bool_, len(keys[0])))
    frame = Frame(
        {**dict(zip(names, keys, strict=True)), "row": np.arange(len(keys[0]), dtype=np.uint16)},
        {"row": mask},
    )
    ordered = there.same(lambda frame: frame.sort(*names), frame)
    by, offsets = there.same(lambda frame: grouped(frame, *names), frame)
    assert ordered.row.tolist() == by.row.tolist() == order(*keys).tolist()
    groups = Counter(zip(*(key.tolist() for key in keys), strict=True))
    assert np.diff(offsets.astype(np.int64)).tolist() == [groups[key] for key in sorted(groups)]
    there.same(lambda frame: frame.take(frame.present("row")), frame)
    there.same(lambda frame: frame.slice(1, 3), frame)
    there.same(lambda one, other: concat([one, other]), frame, ordered.slice(0, 2))


@given(key_columns())
def test_runs(there, keys):
    keys = [key[order(*keys)] for key in keys]
    starts, offsets = there.same(run_starts, *keys), there.same(run_offsets, *keys)
    rows = list(zip(*(key.tolist() for key in keys), strict=True))
    assert starts.tolist() == [row for row in range(len(rows)) if row == 0 or rows[row] != rows[row - 1]]
    assert offsets.dtype == np.uint64 and offsets.tolist() == [*starts.tolist(), len(rows)]


@given(runs())
def test_sums_of_runs_are_exact_and_empty_runs_have_none(there, given_runs):
    values, offsets = given_runs
    sums = there.same(sum_by_run, values, offsets)
    edges = offsets.tolist()
    half = 2**63 if values.dtype == np.int64 else 0
    expected = [
        (sum(values[low:high].tolist()) + half) % 2**64 - half for low, high in itertools.pairwise(edges)
    ]
    assert sums.dtype == values.dtype and sums.tolist() == expected
    assert there.same(run_of_row, offsets).tolist() == [
        run for run, size in enumerate(np.diff(edges)) for _ in range(size)
    ]
    there.same(run_lengths, offsets)


@pytest.mark.parametrize("dtype", [np.float64, np.uint32, np.bool_])
def test_other_sums_are_refused(there, dtype):
    values, offsets = np.ones(3, dtype), np.array([0, 3], np.uint64)
    there.refuses(TypeError, "64-bit integers only", sum_by_run, values, offsets)


@given(st.data())
def test_prefix_sums_counts_and_positions(there, data):
    counts = data.draw(
        few(
            data.draw(st.sampled_from([np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.uint64)])),
            data.draw(SIZES),
        )
    )
    found = there.same(prefix, counts)
    total = [sum(counts[:end].tolist()) % 2**64 for end in range(len(counts) + 1)]
    assert found.dtype == np.uint64 and found.tolist() == total
    there.same(np.flatnonzero, counts)
    there.same(np.nonzero, counts[: len(counts) // 2 * 2].reshape(-1, 2))
    there.same(lambda counts: np.cumsum(counts, dtype=np.uint64), counts)
    there.same(lambda codes: np.bincount(codes, minlength=3), counts.astype(np.uint8))


@given(st.data())
def test_what_is_placed_taken_and_repeated_lies_with_the_rows(there, data):
    size = data.draw(st.integers(1, 20))
    table = data.draw(few(data.draw(st.sampled_from(KEYS)), size))
    frame = Frame(
        {"a": table, "b": np.arange(size, dtype=np.float64)}, {"b": data.draw(arrays.arrays(np.bool_, size))}
    )
    whole = data.draw(st.sampled_from(INTEGERS))
    index = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=30)), dtype=whole)
    times = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), dtype=whole)
    square = np.arange(3 * size, dtype=np.uint32).reshape(size, 3)
    both = lambda rows: (lambda: rows, lambda: there.moved(rows))  # noqa: E731
    for rows in (table, frame, square):
        expected = there.host.take(rows, index)
        for values, at in itertools.product(both(rows), both(index)):
            there.gives(lambda values=values, at=at: there.columns.take(values(), at()), expected)
    assert there.host.take(table, index).tolist() == [table[row] for row in index.tolist()]
    for rows in (table, frame):
        expected = there.host.repeat(rows, times)
        for values, counts in itertools.product(both(rows), both(times)):
            there.gives(
                lambda values=values, counts=counts: there.columns.repeat(values(), counts()), expected
            )
    again = [value for value, many in zip(table.tolist(), times.tolist(), strict=True) for _ in range(many)]
    assert there.host.repeat(table, times).tolist() == again
    mask = frame.present("b")
    there.gives(lambda: there.columns.take(table, mask), there.host.take(table, mask))
    there.gives(lambda: there.columns.place(frame), frame)
    placed = there.moved(frame)
    assert there.columns.place(placed) is placed and there.host.place(frame) is frame


@pytest.mark.parametrize("dtype", INTEGERS)
@given(st.data())
def test_look_ups_prove_that_the_key_is_there(there, dtype, data):
    keys = np.unique(data.draw(few(dtype, data.draw(SIZES))))
    wanted = data.draw(few(dtype, data.draw(SIZES)))
    if len(keys):
        wanted = np.where(
            data.draw(arrays.arrays(np.bool_, len(wanted))), keys[np.arange(len(wanted)) % len(keys)], wanted
        )
    rows, found = there.same(match, keys, wanted)
    assert rows.dtype == np.int64 and found.tolist() == [key in keys.tolist() for key in wanted.tolist()]
    assert [keys[row] for row in rows[found].tolist()] == wanted[found].tolist()
    assert there.same(look_up, keys, wanted[found]).tolist() == rows[found].tolist()
    if not found.all():
        words = (
            f"{int((~found).sum())} of {len(wanted)} keys are not there, the first is "
            f"{int(wanted[~found][0])}"
        )
        there.refuses(ValueError, words, look_up, keys, wanted)
    other = Frame({"id": keys, "value": keys[::-1].copy()}, {"value": keys > keys.dtype.type(1)})
    beside = there.same(
        lambda frame, other: joined(frame, other, "id"),
        Frame({"id": wanted[found], "own": rows[found]}),
        other,
    )
    assert beside.value.tolist() == other.value[rows[found]].tolist()


def test_keys_that_prove_nothing_are_refused(there):
    twice, keys, one = np.array([1, 2, 2], np.uint64), np.array([1, 2], np.uint64), np.array([2], np.uint64)
    there.refuses(ValueError, "must ascend", match, twice, one)
    there.refuses(TypeError, "uint64 are not compared with int64", match, keys, one.astype(np.int64))
    there.refuses(TypeError, "float64", match, keys.astype(np.float64), one.astype(np.float64))
    there.refuses(
        ValueError,
        "both frames have b",
        lambda frame: joined(frame, frame, "a"),
        Frame({"a": keys, "b": keys}),
    )


def test_a_count_for_all_rows_is_refused(there):
    for columns in (there.host, there.columns):
        with pytest.raises(ValueError, match="1 counts for 3 rows"):
            there.backend.ops.turn(lambda columns=columns: columns.repeat(np.arange(3), np.array([2])))


def test_a_state_that_is_not_resident_has_its_columns_on_the_host(there):
    columns = there.host
    table, index = np.arange(3), np.array([2, 0, 1])
    for made in (
        columns.place(table),
        columns.take(table, index),
        columns.repeat(table, index),
        columns.xp.zeros(2),
    ):
        assert type(made) is np.ndarray

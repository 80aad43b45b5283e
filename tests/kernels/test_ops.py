"""sort_segments against numpy, over sizes, presorted, reversed, constant and adversarial data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "numba", reason="these tests call the numba functions one by one, and numba is not installed"
)

from cpu_fallback.ops import _heap_sort, sort_segments


def check(segments):
    offset = np.concatenate([[0], np.cumsum([len(segment) for segment in segments])]).astype(np.uint64)
    values = np.concatenate([np.empty(0, np.uint64), *segments])
    expected = np.concatenate([np.empty(0, np.uint64), *[np.sort(segment) for segment in segments]])
    sort_segments(values, offset)
    assert (values == expected).all()


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1)), max_size=80), max_size=8))
def test_small_segments(segments):
    check([np.array(segment, np.uint64) for segment in segments])


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 8, 9, 16, 17, 24, 25, 32, 33, 1000, 50_000])
def test_shapes(n):
    rng = np.random.default_rng(n)
    rising = np.arange(n, dtype=np.uint64)
    organ = np.concatenate([rising[: n // 2], rising[: n - n // 2][::-1]])
    check(
        [
            rng.integers(0, 2**64, n, dtype=np.uint64),
            rising,
            rising[::-1],
            np.full(n, 7, np.uint64),
            organ,
            rising % np.uint64(3),
        ]
    )
    check([rng.integers(0, 1 + n // 10, n, dtype=np.uint64)])


@pytest.mark.parametrize("n", [2, 3, 1000])
def test_heap_sort(n):
    values = np.random.default_rng(n).integers(0, n, n + 10, dtype=np.uint64)
    expected = values.copy()
    expected[5 : n + 5].sort()
    _heap_sort(values, np.uint64(5), np.uint64(n + 5))
    assert (values == expected).all()


def test_empty_and_no_segments():
    check([])
    check([np.empty(0, np.uint64)] * 3)

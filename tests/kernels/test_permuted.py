"""Published numbers are the numbers of the set, each once, and find the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.backends import get_backend

KERNELS = get_backend("cpu").kernels


def there(ranks, size, tweak=7, key=3, inverse=0):
    n = len(ranks)
    return KERNELS.permuted_rank(
        key=key,
        inverse=inverse,
        tweak=np.full(n, tweak, dtype=np.uint64),
        size=np.full(n, size, dtype=np.uint64),
        rank=np.asarray(ranks, dtype=np.uint64),
    )


@pytest.mark.parametrize("size", [*range(1, 130), 255, 256, 257, 4096, 100_003])
def test_every_number_comes_once_and_comes_back(size: int) -> None:
    ranks = np.arange(size, dtype=np.uint64)
    places = there(ranks, size)
    assert np.array_equal(np.sort(places), ranks)
    assert np.array_equal(there(places, size, inverse=1), ranks)


@given(st.integers(1, 2**64 - 1), st.data())
def test_a_set_of_any_size_has_a_way_back(size: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, size - 1))
    place = there([rank], size)
    assert place[0] < size
    assert there(place, size, inverse=1)[0] == rank


def test_neighbours_part_and_sets_differ() -> None:
    """Chance: 100,000 numbers keep about one successor, and two sets agree in about one place."""
    ranks = np.arange(100_000, dtype=np.uint64)
    one, other = there(ranks, len(ranks)), there(ranks, len(ranks), tweak=8)
    assert np.count_nonzero(np.diff(one.astype(np.int64)) == 1) < 12
    assert np.count_nonzero(one == other) < 12
    halves = np.corrcoef(ranks.astype(np.float64), one.astype(np.float64))[0, 1]
    assert abs(halves) < 5 / np.sqrt(len(ranks))

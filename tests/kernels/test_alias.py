"""Alias tables: exact realised probabilities, refusals, and a chi-square of picks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import call, check, words


def ceil_div(a, b):
    return -(-a // b)


def realised(threshold, alias):
    """How many of the 2**64 words pick each entry: an exact count, slot by slot."""
    size = len(threshold)
    picked = [0] * size
    for slot in range(size):
        # x lands in the slot, with fraction x * size - slot * 2**64, for x in [start, stop).
        start, stop = ceil_div(slot << 64, size), ceil_div((slot + 1) << 64, size)
        kept = min(stop, ceil_div((slot << 64) + int(threshold[slot]), size)) - start
        picked[slot] += kept
        picked[int(alias[slot])] += stop - start - kept
    assert sum(picked) == 2**64
    return picked


def assert_exact(weight, threshold, alias):
    """Every entry is picked by weight / total of all words, up to size + 1 words of 2**64."""
    total = sum(weight)
    for entry, count in zip(weight, realised(threshold, alias), strict=True):
        assert abs(count * total - (entry << 64)) <= (len(weight) + 1) * total


def build(weights):
    """Tables of a list of weight lists, compared with the reference."""
    offset = np.concatenate([[0], np.cumsum([len(weight) for weight in weights])]).astype(np.uint64)
    flat = np.array([value for weight in weights for value in weight], np.uint64)
    threshold, alias = check("alias_build", {"offset": offset, "weight": flat})
    return [(threshold[int(a) : int(b)], alias[int(a) : int(b)]) for a, b in itertools.pairwise(offset)]


WEIGHT = st.one_of(st.sampled_from([0, 0, 1, 2, 2**32, 2**59]), st.integers(0, 100), st.integers(0, 2**59))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.just([]), st.lists(WEIGHT, min_size=1, max_size=12).filter(any)), max_size=6))
def test_tables_equal_the_reference_and_are_exact(weights):
    for weight, (threshold, alias) in zip(weights, build(weights), strict=True):
        if weight:
            assert_exact(weight, threshold, alias)


SHAPES = {
    "one": [7],
    "equal": [1] * 17,
    "largest": [2**63 - 1],
    "two large": [2**62, 2**62 - 1],
    "last only": [0] * 99 + [1],
    "first only": [1, *[0] * 99],
    "one dominates": [1] * 999 + [2**62],
    "ramp": list(range(1000)),
    "powers": [2**k for k in range(62)],
}


@pytest.mark.parametrize("weight", SHAPES.values(), ids=SHAPES)
def test_shapes(weight):
    ((threshold, alias),) = build([weight])
    assert_exact(weight, threshold, alias)
    assert (threshold[alias == np.arange(len(weight))] == 2**64 - 1).all()


def test_large_table_is_exact():
    rng = np.random.default_rng(8)
    weight = np.floor(np.exp(rng.normal(20.0, 3.0, 20_000))).astype(np.uint64)
    (threshold, alias), refused = call("alias_build", {"offset": [0, len(weight)], "weight": weight})
    assert refused is None
    assert_exact(weight.tolist(), threshold.tolist(), alias.tolist())


@pytest.mark.parametrize(
    ("offset", "weight", "refused"),
    [
        ([0, 2, 4], [1, 1, 0, 0], (1, "ZERO_TOTAL")),
        ([0, 2, 4], [1, 1, 2**63 - 1, 1], (1, "WEIGHT_TOO_LARGE")),
        ([0, 1], [2**64 - 1], (0, "WEIGHT_TOO_LARGE")),
        ([0, 2], [2**63, 2**63], (0, "WEIGHT_TOO_LARGE")),
        ([0, 2, 1, 4], [1, 1, 1, 1], (1, "BAD_OFFSET")),
        ([1, 4], [1, 1, 1, 1], (0, "BAD_OFFSET")),
        ([0, 5], [1, 1, 1, 1], (0, "BAD_OFFSET")),
        ([0, 3], [1, 1, 1, 1], (0, "BAD_OFFSET")),
    ],
)
def test_refusals(offset, weight, refused):
    values = {"offset": offset, "weight": weight}
    assert call("alias_build", values)[1] == refused
    check("alias_build", values)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**64 - 1),
            st.sampled_from([0, 3, 8, 20, 2**64 - 1]),
            st.sampled_from([0, 1, 5, 12, 2**32 - 1]),
        )
    )
)
def test_pick_equals_the_reference(rows):
    rng = np.random.default_rng(5)
    x, start, size = ([row[k] for row in rows] for k in range(3))
    table = {"threshold": words(rng, 20), "alias": rng.integers(0, 5, 20)}
    check(
        "alias_pick",
        table
        | {
            "x": np.array(x, np.uint64),
            "start": np.array(start, np.uint64),
            "size": np.array(size, np.uint32),
        },
    )


@pytest.mark.parametrize("n", [0, 1, 17, 1000])
def test_pick_sizes(n):
    rng = np.random.default_rng(n)
    (threshold, alias), _ = call("alias_build", {"offset": [0, 5, 25], "weight": rng.integers(1, 99, 25)})
    second = rng.random(n) < 0.5
    values = {
        "x": words(rng, n),
        "start": np.where(second, 5, 0),
        "size": np.where(second, 20, 5),
        "threshold": threshold,
        "alias": alias,
    }
    check("alias_pick", values)


def test_picks_follow_the_weights():
    """A million picks among 50 entries: chi-square below its 1 - 1e-7 point,
    every entry within 5.5 standard errors.
    """
    n, rng = 1_000_000, np.random.default_rng(6)
    weight = rng.integers(50, 150, 50).astype(np.uint64)
    (threshold, alias), _ = call("alias_build", {"offset": [0, 50], "weight": weight})
    words_in = rng.integers(0, 2**64, n, dtype=np.uint64)
    values = {
        "x": words_in,
        "start": np.zeros(n),
        "size": np.full(n, 50),
        "threshold": threshold,
        "alias": alias,
    }
    picks = np.bincount(call("alias_pick", values)[0][0], minlength=50)
    expected = weight / weight.sum() * n
    assert ((picks - expected) ** 2 / expected).sum() < 120.0
    assert (np.abs(picks - expected) / np.sqrt(expected)).max() < 5.5


def test_a_fraction_equal_to_its_threshold_takes_the_alias():
    """Size 1: the fraction is x itself, so the boundary can be hit exactly."""
    values = {"x": [99, 100, 101], "start": [0] * 3, "size": [1] * 3, "threshold": [100], "alias": [7]}
    assert check("alias_pick", values)[0].tolist() == [0, 7, 7]

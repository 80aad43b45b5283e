"""The two kernels of 6A's network against their references, and what they promise: exact totals, caps kept,
shares as means.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import call, check, words

WORD = st.one_of(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1))
WEIGHT = st.one_of(st.sampled_from([0, 1, 2**36, 2**62, 2**64 - 1]), st.integers(0, 2**37))
ROW = st.tuples(WEIGHT, st.one_of(st.integers(0, 6), st.sampled_from([2**32 - 1])))
GROUP = st.tuples(
    st.lists(ROW, max_size=9), st.one_of(st.integers(0, 30), st.sampled_from([2**20, 2**63])), WORD
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(GROUP, max_size=4))
def test_capped_share_equals_its_reference(groups: list[tuple[list[tuple[int, int]], int, int]]) -> None:
    rows = [row for group, _, _ in groups for row in group]
    values = {
        "offset": np.concatenate([[0], np.cumsum([len(group) for group, _, _ in groups])]).astype(np.uint64),
        "weight": np.array([weight for weight, _ in rows], dtype=np.uint64),
        "cap": np.array([cap for _, cap in rows], dtype=np.uint32),
        "units": np.array([units for _, units, _ in groups], dtype=np.uint64),
        "start": np.array([start for _, _, start in groups], dtype=np.uint64),
    }
    (count,) = check("capped_share", values)
    if call("capped_share", values)[1] is None:
        assert (count <= values["cap"]).all()
        pieces = np.split(count.astype(np.int64), values["offset"][1:-1].astype(np.int64)) if groups else []
        assert [int(piece.sum()) for piece in pieces] == [int(units) for units in values["units"]]


def test_capped_share_refuses_what_cannot_be() -> None:
    base = {"offset": [0, 2], "weight": [5, 7], "cap": [2, 3], "units": [6], "start": [0]}
    assert call("capped_share", base)[1] == (0, "CAPS_INFEASIBLE")
    assert call("capped_share", base | {"weight": [0, 0], "units": [1]})[1] == (0, "CAPS_INFEASIBLE")
    assert call("capped_share", base | {"offset": [0, 1], "units": [1]})[1] == (0, "BAD_OFFSET")
    assert call("capped_share", base | {"weight": [2**62, 2**62]})[1] == (0, "WEIGHT_TOO_LARGE")


def test_capped_share_is_fair() -> None:
    """Over many starts the mean count is the share; with seven standard deviations of
    its largest variance.
    """
    starts, weight = 20_000, np.array([1, 2, 3, 10, 40], dtype=np.uint64)
    rng = np.random.default_rng(5)
    values = {
        "offset": np.arange(starts + 1, dtype=np.uint64) * np.uint64(5),
        "weight": np.tile(weight, starts),
        "cap": np.tile(np.array([9, 9, 9, 9, 3], dtype=np.uint32), starts),
        "units": np.full(starts, 7, dtype=np.uint64),
        "start": words(rng, starts) ^ rng.integers(0, 2**64, starts, dtype=np.uint64),
    }
    found, refused = call("capped_share", values)
    assert refused is None
    mean = found[0].reshape(starts, 5).astype(float).sum(axis=0) / starts
    # 40 of 56 of 7 units reach the cap of 3; the other 4 units go to the rest by weight.
    expected = np.array([4 / 16, 8 / 16, 12 / 16, 40 / 16, 3.0])
    assert (np.abs(mean - expected) <= 7 * 0.5 / np.sqrt(starts)).all()


DOUBLE = st.one_of(st.floats(0.0, 0.99), st.sampled_from([1.0, -0.1, float("nan")]))
SIGMA = st.one_of(st.floats(0.0, 3.0), st.sampled_from([3.5, -1.0, float("inf")]))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(WORD, DOUBLE, SIGMA), max_size=12))
def test_gated_weight_equals_its_reference(rows: list[tuple[int, float, float]]) -> None:
    word = np.array([x for x, _, _ in rows], dtype=np.uint64)
    check("gated_weight", {"x": word, "idle": [p for _, p, _ in rows], "sigma": [s for _, _, s in rows]})


@pytest.mark.parametrize(("idle", "sigma"), [(0.0, 0.5), (0.3, 0.9)])
def test_gated_weight_has_its_gate_and_mean(idle: float, sigma: float) -> None:
    n = 200_000
    word = np.random.default_rng(3).integers(0, 2**64, n, dtype=np.uint64)
    (weight,), refused = call(
        "gated_weight", {"x": word, "idle": np.full(n, idle), "sigma": np.full(n, sigma)}
    )
    assert refused is None
    assert abs(int((weight == 1).sum()) / n - idle) < 0.006
    active = weight[weight > 1].astype(float) / 2**20
    assert abs(active.sum() / len(active) - 1.0) < 0.02

"""6A's role kernels: twins equal references, refusals included; races weigh and rank as they should."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import call, check, words

SEED = st.integers(0, 2**32 - 1)
CASES = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def test_risk_score() -> None:
    rng = np.random.default_rng(1)
    for features in (1, 2, 7):
        feature = rng.integers(0, 1001, features * 50)
        weight = rng.integers(-1000, 1000, features)
        values = {"base": 2_000_000, "least": 1000, "weight": weight, "feature": feature}
        (score,) = check("risk_score", values, {"n": 50})
        assert score.min() >= 1000 and len(set(score.tolist())) > 10
        check("risk_score", values | {"least": -1}, {"n": 50})
    assert call("risk_score", values, {"n": 49})[1] == (0, "WRONG_LENGTH")


@CASES
@given(SEED, st.booleans())
def test_role_race(seed: int, broken: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 30))
    score = rng.choice([0, 64, 1000, 10**6, 2**40, 2**63 - 1], n).astype(np.uint64)
    tier = rng.integers(0, 4, n)
    if broken and n:
        score[rng.integers(0, n)] = rng.choice(np.array([1, 63, 2**63], np.uint64))
        tier[rng.integers(0, n)] = 4
    check("role_race", {"key": 9, "c0": words(rng, n), "c1": words(rng, n), "score": score, "tier": tier})


def test_race_weighs_by_score_and_ranks_by_tier() -> None:
    """Score 3 beats score 1 three times in four: 40,000 races, tolerance six standard errors."""
    n = 40_000
    c0 = np.arange(n, dtype=np.uint64)
    places = []
    for c1, score, tier in ((0, 3_000_000, 1), (1, 1_000_000, 1), (2, 64, 0), (3, 2**62, 2)):
        values = {
            "key": 5,
            "c0": c0,
            "c1": np.full(n, c1),
            "score": np.full(n, score),
            "tier": np.full(n, tier),
        }
        places.append(call("role_race", values)[0][0])
    assert abs(float((places[0] < places[1]).mean()) - 0.75) < 0.013
    assert (places[2] < places[0]).all() and (places[2] < places[1]).all() and (places[3] > places[0]).all()


@CASES
@given(SEED, st.sampled_from(["", "link", "offset", "own"]))
def test_inherit_risk(seed: int, broken: str) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, rng.integers(1, 12))
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
    own = rng.choice([0, 1000, 5000, 2**32 - 1], len(counts)).astype(np.uint64)
    link = rng.integers(0, 5, int(offset[-1]))
    if broken == "link" and len(link):
        link[rng.integers(0, len(link))] = 5
    if broken == "own":
        own[rng.integers(0, len(own))] = 2**32
    if broken == "offset":
        offset[rng.integers(0, len(offset))] += 1
    check(
        "inherit_risk",
        {"offset": offset, "link": link, "factor": rng.choice([0, 1000, 1001, 20000], 5), "own": own},
    )

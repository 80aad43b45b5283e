"""What the largest merchants sell: the share and its error against replicates; gates that refuse."""

from __future__ import annotations

from functools import cache

import numpy as np

from sim.segments.intensity_5a.market_volumes import _top_share
from tests.states.demand_world import PROGRAMS, DemandWorld, upstream
from tests.totals import altered, figures

UNIT = 2.0**30


@cache
def world() -> DemandWorld:
    made = DemandWorld(upstream(150))
    made.run("5A.S1")
    (markets,) = made.store.parts[("world_markets_1A", None)]
    weighted = markets.with_columns(merchant_weight=markets.market_size)
    made.store.parts[("world_markets_1A", None)] = [weighted]
    return made


def check(name: str, wrong: dict[str, object]):
    made = world()
    program = PROGRAMS["5A.S1"]
    checks = program.checks(made.context(program), altered(made.totals, wrong))
    return next(one for one in checks if one.name == name)


def test_share_and_error_of_the_largest_hundredth() -> None:
    """The variance by the influence function is that of 600 replicates of 2,000 merchants, to a fifth."""
    rng = np.random.default_rng(5)
    found = [_top_share(rng.lognormal(9.0, 1.2, 2000).astype(np.int64)) for _ in range(600)]
    share, variance = (np.array(figure, dtype=np.float64) for figure in zip(*found, strict=True))
    volumes = np.sort(np.random.default_rng(5).lognormal(9.0, 1.2, 2000).astype(np.int64))
    assert abs(share[0] / UNIT - volumes[-20:].sum() / volumes.sum()) < 1e-5
    assert abs(np.sqrt(variance.mean()) / share.std(ddof=1) - 1.0) < 0.2
    assert _top_share(np.zeros(5, dtype=np.int64)) == (0, 0)


def test_gates_on_the_largest_and_the_least_refuse() -> None:
    plain = figures(world().totals)
    for name in ("no merchant is the market", "top hundredth of merchants"):
        assert check(name, {}).passed, name
    assert not check("no merchant is the market", {"beyond_market": 1}).passed
    for share in (0.05, 0.7):
        tail = {"top_share": int(share * UNIT), "top_variance": 0}
        name = "top hundredth of merchants"
        assert check(name, {**tail, "generated_merchants": 999}).passed
        assert not check(name, {**tail, "generated_merchants": 1000}).passed
    name, many = "arrivals of the least country", {"generated_merchants": 10**6}
    few = plain["volume_by_country"] * 0 + 499
    assert not check(name, {"volume_by_country": few, **many}).passed
    assert check(name, {"volume_by_country": few + 1, **many}).passed

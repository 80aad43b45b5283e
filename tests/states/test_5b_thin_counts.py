"""5B.S3's gates on counts where next to nothing is expected: honest draws pass,
and a broken sampler still does not.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.segments.arrivals_5b.count_checks import ClassCounts, count_moments, dispersion_checks
from sim.segments.arrivals_5b.sums import chi_square_limit
from sim.state.counters import Counter
from sim.state.declaration import State
from sim.state.frames import Array
from sim.state.params import Params
from sim.state.totals import Totals
from tests.states.memory_world import config

SIGMA = 4.7534


class Counting:
    """What the checks ask of a context: one class, one scenario, and counters."""

    scenarios = ("one",)
    params = SimpleNamespace(realism_gates_5B=Params(config("layer2/5B/realism_gates.yaml")))

    state = State(id="5B.S3", title="", writes=(), counts=(ClassCounts,))

    def __init__(self) -> None:
        self.counters: dict[str, Any] = {}

    def vocabulary(self, name: str) -> tuple[str, ...]:
        return (name,)

    def count(self, counter: Counter[Any], value: int) -> None:
        ctx: Any = self
        self.counters[counter.key] = counter.plus(self.counters.get(counter.key), value, ctx)


def failed(mu: Array, kappa: Array, count: Array) -> set[str]:
    """Names of the checks these counts fail, but for that of an empty world."""
    ctx: Any = Counting()
    inverse = 1.0 / kappa
    variance = mu + mu * mu * inverse
    spread = variance * variance * (2.0 + 6.0 * inverse) + variance
    third = variance * (1.0 + 2.0 * mu * inverse)
    whole = [
        np.floor(value * 2.0**16).astype(np.uint64)
        for value in (mu, variance, (count - mu) ** 2, spread, third)
    ]
    words = [word for value in whole for word in (value >> np.uint64(32), value & np.uint64(2**32 - 1))]
    sums = np.stack(words, axis=1).sum(axis=0, dtype=np.uint64)
    arrivals = np.array([[int(count.sum())]], dtype=np.uint64)
    count_moments(ctx, np.zeros(1, dtype=np.int16), arrivals, sums.reshape(1, 1, 10))
    return {
        check.name.split()[0]
        for check in dispersion_checks(ctx, Totals(ctx, ctx.counters, {}))
        if not check.passed
    } - {"some"}


def drawn(rng: np.random.Generator, mu: Array, kappa: Array) -> Array:
    return rng.poisson(mu * rng.gamma(kappa, 1.0 / kappa))


@pytest.mark.promise(
    "P22", "gates on counts pass honest worlds that expect next to nothing", faults="thin worlds", cases=8000
)
@pytest.mark.parametrize("expected", [1e-4, 1e-3, 0.01, 0.05, 0.3, 1.0, 5.0, 40.0])
def test_honest_thin_counts_pass(expected: float) -> None:
    """A false alarm has a probability of 1e-6: none is to be seen in a thousand worlds,
    where sigmas alone gave up to ten.
    """
    rng = np.random.default_rng(11)
    for _ in range(1000):
        mu = rng.gamma(0.5, 2.0, 48)
        mu *= expected / mu.sum()
        kappa = np.full(48, rng.choice([2.0, 8.0, 30.0]))
        assert failed(mu, kappa, drawn(rng, mu, kappa)) == set()


@pytest.mark.parametrize("arrivals", [1, 2])
def test_one_arrival_in_a_world_that_expects_none_is_luck(arrivals: int) -> None:
    mu = np.full(24, 1e-4)
    assert failed(mu, np.full(24, 8.0), (np.arange(24) < arrivals).astype(np.int64)) == set()


@pytest.mark.promise(
    "P22", "gates on counts see a broken sampler", faults="doubled, lost and clumped arrivals", cases=4
)
def test_broken_counts_fail() -> None:
    rng = np.random.default_rng(12)
    mu, kappa = np.full(2000, 0.5), np.full(2000, 8.0)
    honest = drawn(rng, mu, kappa)
    assert failed(mu, kappa, honest) == set()
    assert "mean" in failed(mu, kappa, honest + drawn(rng, mu, kappa))
    assert "mean" in failed(mu, kappa, honest * (np.arange(2000) % 2))
    assert "dispersion" in failed(mu, kappa, np.where(np.arange(2000) % 20 == 0, 10, 0))
    assert failed(np.full(24, 1e-4), np.full(24, 8.0), np.arange(24) % 4) == {"mean", "dispersion"}


def test_the_limit_never_falls_when_freedom_grows() -> None:
    freedom = np.geomspace(1e-6, 1e6, 500)
    limits = np.array([chi_square_limit(float(one), SIGMA) for one in freedom])
    assert (np.diff(limits) >= 0).all() and (limits >= freedom).all() and 11.5 <= limits[0] <= 11.7

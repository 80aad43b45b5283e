"""Counts against their law: mean, and index of dispersion.

Estimator: D = sum (N - mu)^2 / sum mu over all rows of a class, zero rows included, against sum (mu + mu^2 /
kappa) / sum mu. Given the means the rows are independent, E(N - mu)^2 = v = mu + mu^2 / kappa exactly, and
Var (N - mu)^2 = v^2 (2 + 6 / kappa) + v (NB2's fourth moment), so the standard error is known: 0.3 % for 10^6
rows of mean 1. Where it is large the limit is the sampling error, that of a chi-square variable of equal
spread (a few busy rows decide it, so it is skewed) and, as scenarios share their draws, of one scenario. The
mean is held to the limit of a chi-square variable of equal skewness: NB2's third moment is v (1 + 2 mu /
kappa). With a few expected arrivals that is three or four more of them, where sigmas alone would call one
honest arrival too many.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import whole_sum
from sim.segments.arrivals_5b.sums import paired_limit, real, skewed_limit, square_root
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, PerScenario, Scalar
from sim.state.declaration import Check, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

COUNT_CHECKS_NEEDS = Needs(config=("realism_gates_5B",))


class ClassCounts(Counters):
    """Arrivals by scenario and class, and by class the sums of `count_moments`."""

    in_scenario = PerScenario(Scalar())
    arrivals = Each("demand_class", Scalar())
    mu = Each("demand_class", Scalar())
    variance = Each("demand_class", Scalar())
    squares = Each("demand_class", Scalar())
    spread = Each("demand_class", Scalar())
    third = Each("demand_class", Scalar())


def count_moments(ctx: PartitionContext, demand_class: Array, arrivals: Array, moments: Array) -> None:
    """Add the sums of one partition, class by class.

    Args:
        ctx: Context.
        demand_class: int16 code, one a key.
        arrivals: uint64, keys x days.
        moments: uint64, keys x days x 10: high and low words of five sums of kernel `count_cells`.
    """
    counters = (
        ClassCounts.mu,
        ClassCounts.variance,
        ClassCounts.squares,
        ClassCounts.spread,
        ClassCounts.third,
    )
    names = ctx.vocabulary("demand_class")
    for code in np.flatnonzero(np.bincount(demand_class)).tolist():
        keys = np.flatnonzero(demand_class == code)
        ctx.count(ClassCounts.arrivals[names[code]], whole_sum(arrivals[keys]))
        for place, counter in enumerate(counters):
            high, low = (whole_sum(moments[keys, :, 2 * place + word]) for word in (0, 1))
            ctx.count(counter[names[code]], (high << 32) + low)


def dispersion_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean and dispersion of every class that occurs."""
    seen, gates = ClassCounts(totals), ctx.params.realism_gates_5B
    sigma, scenarios = float(gates.false_alarm_sigma), len(ctx.scenarios)
    arrivals = dict(seen.in_scenario)
    note = (
        "a scenario without arrivals is a mistake in its priors: see demand_policy_5A.volume_scale and "
        "scenarios_5A"
    )
    found = [Check("some arrivals", all(arrivals.values()), arrivals, "at least 1 in each scenario", note)]
    for name in ctx.vocabulary("demand_class"):
        mu, variance = real(seen.mu[name]), real(seen.variance[name])
        if mu <= 0.0:
            continue
        ratio = seen.arrivals[name] / mu
        third = real(seen.third[name])
        # 8 / skewness^2 of one scenario
        limit = skewed_limit(8.0 * variance * variance * variance / (third * third * scenarios), sigma)
        within = max(gates.counts.mean_tolerance, limit * square_root(variance * scenarios) / mu)
        found.append(
            Check(
                f"mean count {name}",
                abs(ratio - 1.0) <= within,
                ratio,
                {"value": 1, "within": within},
                "arrivals / intensity",
            )
        )
        index, law = real(seen.squares[name]) / mu, variance / mu
        error = square_root(real(seen.spread[name])) / variance
        freedom = 2.0 / (error * error)
        within = max(
            gates.counts.dispersion_tolerance, paired_limit(freedom, sigma, scenarios) / freedom - 1.0
        )
        # Poisson has exactly 1: there the index may fall on either side of it.
        passed = abs(index / law - 1.0) <= within and (index > 1.0 or law * (1.0 - within) <= 1.0)
        figures = {"value": law, "relative_within": within, "standard_error": error}
        found.append(
            Check(
                f"dispersion {name}",
                passed,
                index,
                figures,
                "index of dispersion of counts against the law's; above 1",
            )
        )
    return found

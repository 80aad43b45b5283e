"""Counts against their law: mean, and index of dispersion.

Estimator: D = sum (N - mu)^2 / sum mu over all rows of a class, zero rows included, against sum (mu + mu^2 / kappa) / sum mu. Given the
means the rows are independent, E(N - mu)^2 = v = mu + mu^2 / kappa exactly, and Var (N - mu)^2 = v^2 (2 + 6 / kappa) + v (NB2's
fourth moment), so the standard error is known: 0.3 % for 10^6 rows of mean 1. Where it is large the limit is the sampling error, that
of a chi-square variable of equal spread (a few busy rows decide it, so it is skewed) and, as scenarios share their draws, of one
scenario.
"""

from __future__ import annotations

import numpy as np

from sim.segments.arrivals_5b.sums import add_real, paired_limit, real, square_root
from sim.shell.context import Context, PartitionContext
from sim.shell.frames import Array
from sim.shell.state import Check, Totals


def count_moments(ctx: PartitionContext, demand_class: Array, mu: Array, kappa: Array, count: Array) -> None:
    """Add the sums of one partition, class by class.

    Args:
        ctx: Context.
        demand_class: int16 code, n.
        mu: float64, n.
        kappa: float64, n; 0 means Poisson.
        count: uint32, n.
    """
    inverse = np.zeros(len(kappa))
    np.divide(1.0, kappa, out=inverse, where=kappa > 0.0)
    variance = mu + mu * mu * inverse
    squares = count - mu
    squares *= squares
    spread = variance * variance * (2.0 + 6.0 * inverse) + variance
    for code in np.flatnonzero(np.bincount(demand_class)).tolist():
        rows = np.flatnonzero(demand_class == code)
        ctx.count(f"arrivals.{code}", int(count[rows].sum(dtype=np.int64)))
        for name, values in (("mu", mu), ("variance", variance), ("squares", squares), ("spread", spread)):
            add_real(ctx, f"{name}.{code}", values[rows])


def dispersion_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean and dispersion of every class that occurs."""
    gates = ctx.params.realism_gates_5B
    sigma, scenarios = float(gates.false_alarm_sigma), len(ctx.scenarios)
    arrivals = sum(int(totals.get(f"arrivals.{code}", 0)) for code in range(len(ctx.vocabulary("demand_class"))))
    found = [Check("some arrivals", arrivals > 0, arrivals, "at least 1", "a world without arrivals is a mistake in its priors")]
    for code, name in enumerate(ctx.vocabulary("demand_class")):
        mu, variance = real(totals, f"mu.{code}"), real(totals, f"variance.{code}")
        if mu <= 0.0:
            continue
        ratio = int(totals[f"arrivals.{code}"]) / mu
        within = max(gates.counts.mean_tolerance, sigma * square_root(variance * scenarios) / mu)
        found.append(Check(f"mean count {name}", abs(ratio - 1.0) <= within, ratio, {"value": 1, "within": within}, "arrivals / intensity"))
        index, law = real(totals, f"squares.{code}") / mu, variance / mu
        error = square_root(real(totals, f"spread.{code}")) / variance
        freedom = 2.0 / (error * error)
        within = max(gates.counts.dispersion_tolerance, paired_limit(freedom, sigma, scenarios) / freedom - 1.0)
        # Poisson has exactly 1: there the index may fall on either side of it.
        passed = abs(index / law - 1.0) <= within and (index > 1.0 or law * (1.0 - within) <= 1.0)
        figures = {"value": law, "relative_within": within, "standard_error": error}
        found.append(Check(f"dispersion {name}", passed, index, figures, "index of dispersion of counts against the law's; above 1"))
    return found

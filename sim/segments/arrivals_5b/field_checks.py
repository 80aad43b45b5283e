"""Held against theory: mean 0, variance 1 and autocorrelation phi of standardised latent paths."""

from __future__ import annotations

from sim.segments.arrivals_5b.fields import UNIT, PathCounts
from sim.segments.arrivals_5b.sums import paired_limit, real, square_root
from sim.state.context import Context
from sim.state.declaration import Check, Needs
from sim.state.totals import Totals

FIELD_CHECKS_NEEDS = Needs(config=("realism_gates_5B",))


def moment_checks(ctx: Context, totals: Totals, name: str) -> list[Check]:
    """Pooled over all paths of one family.

    Autocorrelation: sum s_t s_t+1 / sum s_t^2, whose expectation given the paths is the mean of phi weighted
    with sum s_t^2 and whose standard error is sqrt(sum (1 - phi^2) s_t^2) / sum s_t^2: 0.002 for 50 paths of
    336 hours at phi = 0.96, so 0.02 is ten of them.

    Args:
        ctx: Context.
        totals: What `count_moments` added under `name`.
        name: Family of paths.
    """
    seen, gates = PathCounts(totals), ctx.params.realism_gates_5B
    # Scenarios share their draws: the sampling error of all is that of one.
    sigma = float(gates.false_alarm_sigma) * square_root(len(ctx.scenarios))
    values, early = seen.values[name], seen.early[name]
    mean = seen.total[name] / (values * UNIT)
    mean_limit = max(
        gates.latent.mean_tolerance, sigma * square_root(real(seen.mean_variance[name])) / values
    )
    variance = seen.squares[name] / (values * UNIT * UNIT)
    freedom = 2.0 * values * values / real(seen.square_variance[name])
    limit = paired_limit(freedom, float(gates.false_alarm_sigma), len(ctx.scenarios))
    variance_limit = max(gates.latent.variance_tolerance, limit / freedom - 1.0)
    found = seen.lagged[name] / early if early else 0.0
    theory = seen.decayed[name] / early if early else 0.0
    error = square_root(seen.fresh[name]) * UNIT / early if early else 0.0
    lag_limit = max(gates.latent.autocorrelation_tolerance, sigma * error)
    note = f"standardised {name} paths, {values} values"
    return [
        Check(f"{name} mean", abs(mean) <= mean_limit, mean, {"value": 0, "within": mean_limit}, note),
        Check(
            f"{name} variance",
            abs(variance - 1.0) <= variance_limit,
            variance,
            {"value": 1, "within": variance_limit},
            note,
        ),
        Check(
            f"{name} autocorrelation",
            abs(found - theory) <= lag_limit,
            found,
            {"value": theory, "within": lag_limit},
            note,
        ),
    ]

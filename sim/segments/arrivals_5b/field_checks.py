"""Held against theory: mean 0, variance 1 and autocorrelation phi of standardised latent paths."""

from __future__ import annotations

from sim.segments.arrivals_5b.fields import UNIT
from sim.segments.arrivals_5b.sums import paired_limit, real, square_root, whole
from sim.state.context import Context
from sim.state.declaration import Check, Totals


def moment_checks(ctx: Context, totals: Totals, name: str) -> list[Check]:
    """Pooled over all paths of one family.

    Autocorrelation: sum s_t s_t+1 / sum s_t^2, whose expectation given the paths is the mean of phi weighted
    with sum s_t^2 and whose standard error is sqrt(sum (1 - phi^2) s_t^2) / sum s_t^2: 0.002 for 50 paths of
    336 hours at phi = 0.96, so 0.02 is ten of them.

    Args:
        ctx: Context of a state that declares config `realism_gates_5B`.
        totals: What `count_moments` added under `name`.
        name: Family of paths.
    """
    gates = ctx.params.realism_gates_5B
    # Scenarios share their draws: the sampling error of all is that of one.
    sigma = float(gates.false_alarm_sigma) * square_root(len(ctx.scenarios))
    values, early = int(totals[f"{name}.values"]), whole(totals, f"{name}.early")
    mean = int(totals[f"{name}.sum"]) / (values * UNIT)
    mean_limit = max(
        gates.latent.mean_tolerance, sigma * square_root(real(totals, f"{name}.mean_variance")) / values
    )
    variance = whole(totals, f"{name}.squares") / (values * UNIT * UNIT)
    freedom = 2.0 * values * values / real(totals, f"{name}.square_variance")
    limit = paired_limit(freedom, float(gates.false_alarm_sigma), len(ctx.scenarios))
    variance_limit = max(gates.latent.variance_tolerance, limit / freedom - 1.0)
    found = int(totals[f"{name}.lagged"]) / early if early else 0.0
    theory = whole(totals, f"{name}.decayed") / early if early else 0.0
    error = square_root(whole(totals, f"{name}.fresh")) * UNIT / early if early else 0.0
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

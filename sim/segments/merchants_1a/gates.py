"""The realism gates of 1A: is this a plausible population of merchants, whatever the priors say?"""

from __future__ import annotations

import numpy as np

from sim.recipes.sampling import from_fixed, sampling_check
from sim.state.context import Context
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Check, Needs
from sim.state.totals import Totals

_SCOPE = {
    "generated": "generated merchants only, by policy: the user's own merchants are as they are",
    "all": "all merchants, the user's own included, by policy",
}

GATES_NEEDS = Needs(config=("realism_gates_1A",))


class GateCounts(Counters):
    """Merchants and outlets the gates are for: all, or the generated ones."""

    gated_merchants = Scalar()
    gated_single = Scalar()
    gated_outlets = Scalar()
    gated_outlets_abroad = Scalar()


class ChainCounts(Counters):
    """Chains, and sums of their sizes' residuals and of the squares, in fixed point.

    And what the law promises of the squares of generated chains' sizes.
    """

    law_chains = Scalar()
    law_residual_q = Scalar()
    law_square_q = Scalar()
    foreseen_squares_q = Scalar()


def single_outlet_check(ctx: Context, totals: Totals) -> Check:
    """Share of merchants with exactly one outlet, counted in the published catalogue.

    The slack is whole merchants.
    """
    seen, gate = GateCounts(totals), ctx.params.realism_gates_1A.single_outlet_share
    merchants, single, slack = seen.gated_merchants, seen.gated_single, 1000 * gate.slack_merchants
    low, high = gate.minimum_permille * merchants - slack, gate.maximum_permille * merchants + slack
    note = f"single-outlet merchants are in the catalogue and are most of it; {_scope(ctx)}"
    found = {"single": single, "merchants": merchants}
    expected = {
        "permille": [gate.minimum_permille, gate.maximum_permille],
        "slack_merchants": gate.slack_merchants,
    }
    return Check("single-outlet share", low <= 1000 * single <= high, found, expected, note)


def foreign_outlets_check(ctx: Context, totals: Totals) -> Check:
    """Share of outlets outside the merchant's home country."""
    seen, gate = GateCounts(totals), ctx.params.realism_gates_1A.foreign_outlet_share
    outlets, abroad = seen.gated_outlets, seen.gated_outlets_abroad
    passed = 1000 * abroad <= gate.maximum_permille * outlets + 1000 * gate.slack_outlets
    expected = {"permille_at_most": gate.maximum_permille, "slack_outlets": gate.slack_outlets}
    return Check(
        "outlets outside the home country",
        passed,
        {"abroad": abroad, "outlets": outlets},
        expected,
        _scope(ctx),
    )


def chained_outlets_check(ctx: Context, totals: Totals) -> Check:
    """Share of outlets that belong to chains.

    It scatters with the outlets of chains: so many standard deviations of their sum are allowed, which is the
    root of the sum of squared sizes that the law promises. Every other outlet moves the share back. The slack
    is whole outlets.
    """
    seen, gate = GateCounts(totals), ctx.params.realism_gates_1A.chained_outlet_share
    outlets, chained = seen.gated_outlets, seen.gated_outlets - seen.gated_single
    low, high = gate.minimum_permille / 1000.0, gate.maximum_permille / 1000.0
    squares = float(from_fixed(np.array([ChainCounts(totals).foreseen_squares_q]))[0])
    error = gate.sigmas * float(np.sqrt(squares)) * (1.0 - low) / max(1, outlets)
    error += gate.slack_outlets / max(1, outlets)
    share = chained / max(1, outlets)
    passed = outlets == 0 or low - error <= share <= high + error
    expected = {"from": low - error, "to": high + error, "allowance": error}
    found = {"share": share, "in_chains": chained, "outlets": outlets}
    return Check("outlets in chains", passed, found, expected, _scope(ctx))


def outlet_law_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Sizes of chains against mean and variance of their zero-truncated NB2 laws.

    A residual has mean 0 and variance 1, its square mean 1 and the variance policy states (2 + excess
    kurtosis of the law).
    """
    seen = ChainCounts(totals)
    gate, chains = ctx.params.realism_gates_1A.outlet_law, seen.law_chains
    return [
        _residual_check(
            "sizes of chains, mean", seen.law_residual_q, 0, chains, (gate.mean_sigmas, gate.mean_slack)
        ),
        _residual_check(
            "sizes of chains, spread",
            seen.law_square_q,
            chains,
            chains * gate.residual_square_variance,
            (gate.spread_sigmas, gate.spread_slack),
        ),
    ]


def _residual_check(
    name: str, found_q: int, expected: int, variance: int, allowance: tuple[float, float]
) -> Check:
    found, spread = from_fixed(np.array([found_q])), np.array([variance], dtype=np.float64)
    note = "sum over chains of the residuals of F, or of their squares, under the zero-truncated NB2"
    return sampling_check(
        name, ["all chains"], found, np.array([expected], dtype=np.float64), spread, allowance, note
    )


def _scope(ctx: Context) -> str:
    return _SCOPE[ctx.params.realism_gates_1A.applies_to]

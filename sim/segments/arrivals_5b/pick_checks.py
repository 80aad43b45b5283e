"""Model checks over the sums of `pick_sums`.

Scenarios of one run share their draws, so what they add up to is not independent: limits are those of one
scenario, taken as often.
"""

from __future__ import annotations

from sim.segments.arrivals_5b.pick_sums import ChiSquareCounts, CollisionCounts
from sim.segments.arrivals_5b.place_audit import CoinCounts
from sim.segments.arrivals_5b.sums import freedom_of, paired_limit, real, skewed_limit, square_root
from sim.state.context import Context
from sim.state.declaration import Check, Needs
from sim.state.totals import Totals

PICK_CHECKS_NEEDS = Needs(config=("realism_gates_5B",))


def chi_square_check(ctx: Context, totals: Totals, name: str, note: str) -> Check:
    """Summed chi-square against the value an honest run exceeds once in a million."""
    seen = ChiSquareCounts(totals)
    statistic, freedom = real(seen.statistic[name]), seen.freedom[name]
    limit = (
        paired_limit(freedom, float(ctx.params.realism_gates_5B.false_alarm_sigma), len(ctx.scenarios))
        if freedom
        else 0.0
    )
    found = {"statistic": statistic, "freedom": freedom}
    return Check(f"chi-square {name}", statistic <= limit, found, {"at_most": limit}, note)


def collision_check(ctx: Context, totals: Totals) -> Check:
    """Pairs on the same place against the weights: the entropy of places within a bucket."""
    seen, gates = CollisionCounts(totals), ctx.params.realism_gates_5B
    same, pairs = seen.same, seen.pairs
    expected, variance = real(seen.expected), real(seen.variance)
    limit = _limit(ctx, variance, float(seen.root_cubes))
    within = max(gates.routing.collision_tolerance * expected, limit)
    found = {"same": same, "pairs": pairs, "effective_places": pairs / same if same else None}
    held = {"same": expected, "within": within, "effective_places": pairs / expected if expected else None}
    note = (
        "pairs of one merchant, hour and key served by one place; 2 ** collision entropy is the effective "
        "number of places"
    )
    return Check("entropy places in a bucket", abs(same - expected) <= within, found, held, note)


def coin_check(ctx: Context, totals: Totals, name: str, note: str) -> Check:
    """Arrivals of a kind against the shares of their keys and hours."""
    seen, gates = CoinCounts(totals), ctx.params.realism_gates_5B
    arrivals, hits = seen.coin_arrivals[name], seen.coin_found[name]
    expected, variance = real(seen.coin_expected[name]), real(seen.coin_variance[name])
    limit = _limit(ctx, variance, real(seen.coin_root_cubes[name]))
    within = max(gates.routing.coin_tolerance[name] * arrivals, limit)
    found, held = {name: hits, "of": arrivals}, {name: expected, "within": within}
    return Check(f"{name} coin", abs(hits - expected) <= within, found, held, note)


def _limit(ctx: Context, variance: float, root_cubes: float) -> float:
    """Deviation that an honest sum exceeds once in a million.

    It follows from the sums of its terms' variances and of their powers 3/2.
    """
    freedom = freedom_of(variance, root_cubes) / len(ctx.scenarios)
    return skewed_limit(freedom, float(ctx.params.realism_gates_5B.false_alarm_sigma)) * square_root(
        variance * len(ctx.scenarios)
    )

"""Model checks over the sums of `pick_sums`.

Scenarios of one run share their draws, so what they add up to is not independent: limits are those of one
scenario, taken as often.
"""

from __future__ import annotations

from sim.segments.arrivals_5b.sums import freedom_of, paired_limit, real, skewed_limit, square_root, whole
from sim.state.context import Context
from sim.state.declaration import Check, Totals


def chi_square_check(ctx: Context, totals: Totals, name: str, note: str) -> Check:
    """Summed chi-square against the value an honest run exceeds once in a million."""
    statistic, freedom = real(totals, f"{name}.statistic"), int(totals.get(f"{name}.freedom", 0))
    limit = (
        paired_limit(freedom, float(ctx.params.realism_gates_5B.false_alarm_sigma), len(ctx.scenarios))
        if freedom
        else 0.0
    )
    found = {"statistic": statistic, "freedom": freedom}
    return Check(f"chi-square {name}", statistic <= limit, found, {"at_most": limit}, note)


def collision_check(ctx: Context, totals: Totals, name: str) -> Check:
    """Pairs on the same place against the weights: the entropy of places within a bucket."""
    gates = ctx.params.realism_gates_5B
    same, pairs = int(totals.get(f"{name}.same", 0)), int(totals.get(f"{name}.pairs", 0))
    expected, variance = real(totals, f"{name}.expected"), real(totals, f"{name}.variance")
    limit = _limit(ctx, variance, float(whole(totals, f"{name}.root_cubes")))
    within = max(gates.routing.collision_tolerance * expected, limit)
    found = {"same": same, "pairs": pairs, "effective_places": pairs / same if same else None}
    held = {"same": expected, "within": within, "effective_places": pairs / expected if expected else None}
    note = (
        "pairs of one merchant, hour and key served by one place; 2 ** collision entropy is the effective "
        "number of places"
    )
    return Check(f"entropy {name}", abs(same - expected) <= within, found, held, note)


def coin_check(ctx: Context, totals: Totals) -> Check:
    """Virtual arrivals of keys that have both kinds against their shares."""
    gates = ctx.params.realism_gates_5B
    arrivals, virtual = int(totals.get("coin.arrivals", 0)), int(totals.get("coin.virtual", 0))
    expected, variance = real(totals, "coin.expected"), real(totals, "coin.variance")
    limit = _limit(ctx, variance, real(totals, "coin.root_cubes"))
    within = max(gates.routing.virtual_share_tolerance * arrivals, limit)
    found, held = {"virtual": virtual, "of": arrivals}, {"virtual": expected, "within": within}
    return Check(
        "virtual coin",
        abs(virtual - expected) <= within,
        found,
        held,
        "virtual arrivals of keys with sites and edges",
    )


def _limit(ctx: Context, variance: float, root_cubes: float) -> float:
    """Deviation an honest sum exceeds once in a million, from the sums of its terms' variances and their
    powers 3/2.
    """
    freedom = freedom_of(variance, root_cubes) / len(ctx.scenarios)
    return skewed_limit(freedom, float(ctx.params.realism_gates_5B.false_alarm_sigma)) * square_root(
        variance * len(ctx.scenarios)
    )

"""Checks of the edges of all merchants: every merchant has some, and demand is where customers are."""

from __future__ import annotations

from math import isqrt

import numpy as np

from sim.recipes.audits import between_check, ledger_check
from sim.recipes.groups import run_offsets, run_starts, sum_by_run
from sim.recipes.weights import WEIGHT_BITS, WEIGHT_TOTAL
from sim.segments.virtual_3b.countries import CountryLaw
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_SQUARE_SHIFT = np.uint64(20)
_SQUARES_BITS = 2 * (WEIGHT_BITS - 20) - 10

EDGE_CHECKS_NEEDS = Needs(
    reads={"virtual_settlement_3B": METADATA_ONLY}, config=("edge_policy_3B", "realism_gates_3B")
)


class EdgeCounts(Counters):
    """Edges of merchants, how they vary, and where demand is: weights in 2**-30 of a merchant."""

    merchants = Scalar()
    merchants_with_edges = Scalar()
    edges = Scalar()
    edges_squared = Scalar()
    countries = Scalar()
    countries_squared = Scalar()
    top_weight = Scalar()
    home_weight = Scalar()
    home_expected = Scalar()
    mix_observed = Vector("country")
    mix_expected = Vector("country")
    mix_spread = Vector("country")
    weight_squares = Scalar()


def count_edges(ctx: PartitionContext, law: CountryLaw, online: Frame, edges: Frame, cell: Array) -> None:
    """Integer sums of one partition, over its published rows and the law of its merchants.

    Args:
        ctx: Context of the partition.
        law: The law edges were drawn from.
        online: Merchants of the partition, sorted.
        edges: Rows as published, sorted by merchant.
        cell: int64, one a merchant: its cell of the law.
    """
    offsets = run_offsets(edges.merchant_id)
    first = offsets[:-1].astype(np.int64)
    size = np.diff(offsets).astype(np.int64)
    home = np.repeat(online.settlement_country_iso, size) if len(first) == len(online) else edges.country_iso
    observed = np.zeros(law.countries, dtype=np.uint64)
    np.add.at(observed, edges.country_iso, edges.weight_q)
    cells = np.bincount(cell, minlength=len(law.share_q)).astype(np.uint64)
    served = run_starts(edges.merchant_id, edges.country_iso)
    per_merchant = np.diff(np.append(np.searchsorted(served, first), len(served)))
    top = np.maximum.reduceat(edges.weight_q, first) if len(first) else edges.weight_q
    ctx.count(EdgeCounts.merchants, len(online))
    ctx.count(EdgeCounts.merchants_with_edges, len(first))
    ctx.count(EdgeCounts.edges, len(edges))
    ctx.count(EdgeCounts.edges_squared, int((size * size).sum()))
    ctx.count(EdgeCounts.countries, int(per_merchant.sum()))
    ctx.count(EdgeCounts.countries_squared, int((per_merchant * per_merchant).sum()))
    ctx.count(EdgeCounts.top_weight, int(top.sum()) >> 10)
    ctx.count(EdgeCounts.home_weight, int(edges.weight_q[edges.country_iso == home].sum()) >> 10)
    at_home = law.share_q[cell, cell % law.countries]
    ctx.count(EdgeCounts.home_expected, int((at_home >> np.uint64(10)).sum()))
    ctx.count(EdgeCounts.mix_observed, (observed >> np.uint64(10)).astype(np.int64))
    ctx.count(
        EdgeCounts.mix_expected,
        (cells[:, None] * (law.share_q >> np.uint64(10))).sum(axis=0).astype(np.int64),
    )
    # p * (1 - p) of each merchant's share p, in 2**-30.
    part = law.share_q >> np.uint64(WEIGHT_BITS - 20)
    spread = (part * (np.uint64(1 << 20) - part)) >> np.uint64(10)
    ctx.count(EdgeCounts.mix_spread, (cells[:, None] * spread).sum(axis=0).astype(np.int64))
    ctx.count(
        EdgeCounts.weight_squares,
        int(sum_by_run((edges.weight_q >> _SQUARE_SHIFT) ** np.uint64(2), offsets).sum()) >> 10,
    )


def edge_checks(ctx: Context, totals: Totals, footprint: str, edge: str) -> list[Check]:
    """Model checks of the edge catalogue.

    Args:
        ctx: Context with `realism_gates_3B` and `edge_policy_3B`.
        totals: Sums of `count_edges` over all partitions.
        footprint: Stream of merchants' reach and size.
        edge: Stream of edges.
    """
    seen = EdgeCounts(totals)
    gates, policy = ctx.params.realism_gates_3B, ctx.params.edge_policy_3B
    merchants, covered, edges = seen.merchants, seen.merchants_with_edges, seen.edges
    expected = sum(file.rows for file in ctx.files("virtual_settlement_3B"))
    result = [
        Check(
            "every online merchant has edges",
            merchants == covered == expected,
            [merchants, covered],
            expected,
        ),
        between_check(
            "edges in all",
            edges,
            (merchants * policy.edges_min, merchants * policy.edges_max),
            "within the policy's bounds",
        ),
        ledger_check(totals, footprint, merchants, 2),
        ledger_check(totals, edge, edges, 6),
    ]
    if merchants < gates.edges_min_merchants:
        return result
    unit = merchants * (WEIGHT_TOTAL >> 10)
    spread = _variation(merchants, edges, seen.edges_squared)
    breadth = _variation(merchants, seen.countries, seen.countries_squared)
    # In a world of few countries, or of countries far apart, there is hardly anywhere else to sell: what the
    # law gives these merchants is never out of bounds, and then countries need not vary.
    due = seen.home_expected * 1000 // unit
    home = (
        min(gates.home_min_permille, due - gates.home_slack_permille),
        max(gates.home_max_permille, due + gates.home_slack_permille),
    )
    several = due <= gates.home_max_permille
    top = (gates.top_edge_min_permille, gates.top_edge_max_permille)
    return [
        *result,
        between_check(
            "edges a merchant vary",
            spread,
            (gates.edges_cv_permille, 10_000),
            "coefficient of variation, permille",
        ),
        between_check(
            "countries a merchant vary",
            breadth,
            (gates.countries_cv_permille if several else 0, 10_000),
            "coefficient of variation, permille",
        ),
        between_check(
            "demand from home",
            seen.home_weight * 1000 // unit,
            home,
            f"weight of edges in the home country, permille; the law gives these merchants {due}",
        ),
        between_check(
            "largest edge",
            seen.top_weight * 1000 // unit,
            top,
            "mean share of a merchant's largest edge, permille",
        ),
        _mix_check(totals, merchants, gates.mix_bias_ppm, gates.mix_noise_factor),
    ]


def _variation(count: int, total: int, squares: int) -> int:
    """Coefficient of variation in permille from integer sums."""
    return isqrt(max(0, count * squares - total * total) * 1_000_000) // max(1, total)


def _mix_check(totals: Totals, merchants: int, bias_ppm: int, noise_factor: int) -> Check:
    """Total variation distance between the weights' country mix and the law's.

    Bias and sampling noise are allowed for.

    A merchant's share in a country of share p varies by p * (1 - p) * sum of its squared weights; merchants
    add up. Half the mean absolute deviation of a normal is 0.4 of its standard deviation; a country cannot be
    off by more than all it should have and as much again. Self-normalised importance weights are biased by
    about 1 / edges: `bias_ppm`.
    """
    seen = EdgeCounts(totals)
    found = [int(value) for value in seen.mix_observed]
    law = [int(value) for value in seen.mix_expected]
    whole = sum(law)
    distance = (
        sum(abs(a * whole // max(1, sum(found)) - b) for a, b in zip(found, law, strict=True))
        * 500_000
        // whole
    )
    # Mean sum of squares, in 2**-_SQUARES_BITS; spread in 2**-30; the deviation of a country in ppm of all
    # demand.
    squares = seen.weight_squares // merchants
    noise = 0
    for spread, share in zip(seen.mix_spread, law, strict=True):
        deviation = isqrt((int(spread) * squares * 10**12) >> (30 + _SQUARES_BITS)) // merchants
        noise += min(deviation * 4 // 10, share * 1_000_000 // whole)
    limit = bias_ppm + noise_factor * noise
    note = (
        "total variation distance of the countries' weights from the law, ppm; expected sampling noise "
        f"{noise}"
    )
    return Check("customers are where the law says", distance <= limit, distance, limit, note)

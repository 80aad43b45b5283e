"""Races for roles: each group's exact target, drawn without replacement in proportion to scores."""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import refuse

NEVER = np.uint64(0xFFFFFFFFFFFFFFFF)

ROLE_RACE_NEEDS = Needs(kernels=("role_race",))


def places(ctx: PartitionContext, at: Address, score: Array, tier: Array | None = None) -> Array:
    """Place of each entity in a race: uint64, n, smaller is earlier.

    Args:
        ctx: Context of 6A.S6.
        at: Where each entity's draw begins, n; of a stream of one draw.
        score: uint64, n: weight; 0 never wins.
        tier: uint8, n: lower tiers go before higher ones; None for one tier.
    """
    tiers = np.zeros(len(score), dtype=np.uint8) if tier is None else tier
    ctx.ledger(at)
    place: Array = ctx.kernels.role_race(
        key=ctx.stream(at.stream), c0=at.c0, c1=at.c1, score=score, tier=tiers
    )
    return place


def winners(ctx: Context, place: Array, offsets: Array, quota: Array) -> Array:
    """Rows that win: of each group the `quota` smallest places; ties fall to the smaller row.

    Args:
        ctx: Context of 6A.S6.
        place: uint64, n, from `places`.
        offsets: uint64, g + 1: groups of adjacent rows; empty ones are allowed.
        quota: uint64, g.

    Returns:
        int64: rows in no particular order within their group, groups in order.

    Raises:
        ValidationError: `6A.S6.ROLE_INFEASIBLE`: a group has fewer eligible entities than its target.
    """
    wanted = np.flatnonzero(quota)
    first, stop = offsets[:-1].astype(np.int64)[wanted], offsets[1:].astype(np.int64)[wanted]
    need = quota[wanted].astype(np.int64)
    size = stop - first
    ends = np.cumsum(size)
    if len(wanted) == 0:
        return np.empty(0, dtype=np.int64)
    row = np.arange(int(ends[-1])) + np.repeat(first - (ends - size), size)
    bits = np.uint64(max(1, (len(place) - 1).bit_length()))
    low = (np.uint64(1) << bits) - np.uint64(1)
    # The row replaces the lowest bits of the place, so one integer sort orders both; at least 28 bits of the
    # mantissa stay.
    packed = (place[row] & ~low) | row.astype(np.uint64)
    inner = np.concatenate((np.zeros(1, dtype=np.uint64), ends.astype(np.uint64)))
    ctx.sort_segments(packed, inner)
    at = np.arange(int(need.sum())) + np.repeat((ends - size) - (np.cumsum(need) - need), need)
    if (need > size).any() or (packed[at] >= (NEVER & ~low)).any():
        refuse(
            ctx,
            "ROLE_INFEASIBLE",
            "a group has fewer entities that may bear a role than its target asks for",
            found=f"{len(wanted)} groups, targets up to {int(need.max())}",
            expected="shares of all roles of a type together below 1",
            at="fraud_prevalence_6A",
            do="lower shares there",
            error=ValidationError,
        )
    won: Array = (packed[at] & low).astype(np.int64)
    return won

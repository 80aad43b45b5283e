"""Spread each cell's units over its holders: addressed weights, exact totals, caps never exceeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.recipes.words import WORDS_NEEDS, word
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

SPREAD_NEEDS = Needs(kernels=("capped_share", "gated_weight"), uses=(WORDS_NEEDS,))


@dataclass(frozen=True)
class Law:
    """How one kind spreads in each of k cells.

    Attributes:
        entity: Field -> uint64, k: address part of the cell and the kind.
        units: uint64, k: what the cell's holders share.
        idle: float64, k: probability that a holder's weight is next to nothing.
        sigma: float64, k: spread of the other holders' weights.
    """

    entity: Mapping[str, Array]
    units: Array
    idle: Array
    sigma: Array


def spread(
    ctx: PartitionContext,
    law: Law,
    offsets: Array,
    cell: Array,
    holder: Mapping[str, Array],
    capacity: Array,
    eligible: Array,
    streams: tuple[str, str],
) -> Array:
    """Units of each holder.

    Args:
        ctx: Context of a state that declares the streams.
        law: Cells.
        offsets: uint64, k + 1: holders of cell i are rows offsets[i] .. offsets[i + 1] - 1.
        cell: n: cell of each holder.
        holder: Field -> n: address part of the holder.
        capacity: uint32, n: most units it can take.
        eligible: bool, n: whether it may hold any.
        streams: Stream of weights (one draw a holder), and of where systematic sampling starts (one draw a
            cell).

    Returns:
        uint32, n: sums to `law.units` in every cell, nowhere above `capacity`, 0 where not eligible.
    """
    weights, starts = streams
    columns = ctx.columns
    cells = {name: columns.place(values) for name, values in law.entity.items()}
    entity = {name: columns.take(values, cell) for name, values in cells.items()}
    x, start = word(ctx, weights, **holder, **entity), word(ctx, starts, **cells)
    weight = ctx.kernels.gated_weight(
        x=x, idle=columns.take(law.idle, cell), sigma=columns.take(law.sigma, cell)
    )
    count: Array = ctx.kernels.capped_share(
        offset=offsets,
        weight=np.where(eligible, weight, np.uint64(0)),
        cap=capacity,
        units=law.units,
        start=start,
    )
    return count


def holds_any(counts: Array, kinds: list[int]) -> Array:
    """Which holders have one of the kinds: bool, n; `counts` is holders x kinds."""
    found = np.zeros_like(counts, dtype=np.bool_, shape=len(counts))
    for kind in kinds:
        found |= counts[:, kind] > 0
    return found

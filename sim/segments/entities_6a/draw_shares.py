"""What a weight came to among the weights of its cell, in words for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.words import block_at
from sim.state.context import Context
from sim.state.frames import Array

_UNIT = 2**20


def gated_weights(
    ctx: Context, stream: str, holders: dict[str, Any], draw: int, law: tuple[float, float]
) -> Array:
    """Weights of all holders of a cell: uint64, in 2**-20.

    Args:
        ctx: Context of the state.
        stream: Stream of the weights.
        holders: Fields of the holders' addresses.
        draw: Which draw of a holder is the weight.
        law: Idle probability and sigma of the cell.
    """
    words = draw_words(ctx, stream, holders, draw)
    idle, sigma = (np.full(len(words), figure, dtype=np.float64) for figure in law)
    weight: Array = ctx.kernels.gated_weight(x=words, idle=idle, sigma=sigma)
    return weight


def draw_words(ctx: Context, stream: str, holders: dict[str, Any], draw: int) -> Array:
    """One draw of each holder: uint64; arguments as `gated_weights`."""
    return block_at(ctx, ctx.address(stream, **holders), draw // 2)[draw % 2]


def share_told(weight: Array, mine: int, quota: int, what: str, where: str = "cell") -> list[str]:
    """How much of its cell's units a holder could expect.

    Args:
        weight: uint64, in 2**-20: weights of all holders of the cell.
        mine: Which of them is meant.
        quota: Units that the cell's holders share.
        what: What the units are.
        where: What the cell is called.
    """
    if quota == 0:
        return [f"quota    no {what} are shared in this {where} by weight: no draw was made"]
    own, total = int(weight[mine]), int(weight.sum(dtype=np.uint64))
    expected = f"{quota * own / max(total, 1):.4f} expected, caps and eligibility aside"
    return [
        f"quota    {quota:,} {what} are shared in proportion to weights up to the caps",
        f"weight   {own / _UNIT:.4f} of {total / _UNIT:,.4f} in the {where}: {expected}",
    ]


def cell_told(ctx: Context, country: int, segment: int, text: str) -> str:
    """Which cell it is, and what it holds."""
    return f"cell     {ctx.vocabulary('country')[country]}, {ctx.vocabulary('segment')[segment]}, {text}"

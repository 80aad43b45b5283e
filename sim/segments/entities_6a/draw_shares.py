"""What a weight came to among the weights of its cell, in words for people."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.frames import Array

_UNIT = 2**20


def share_told(
    ctx: Context,
    stream: str,
    holders: dict[str, object],
    mine: int,
    draw: int,
    law: tuple[float, float],
    quota: int,
    what: str,
) -> list[str]:
    """How much of its cell's units a holder could expect.

    Args:
        ctx: Context of the state.
        stream: Stream of the weights.
        holders: Fields of the addresses of all holders of the cell.
        mine: Which of them is meant.
        draw: Which draw of a holder is the weight.
        law: Idle probability and sigma of the cell.
        quota: Units that the cell's holders share.
        what: What the units are.
    """
    if quota == 0:
        return [f"quota    no {what} are shared in this cell by weight: no draw was made"]
    at = ctx.address(stream, **holders)
    words = ctx.kernels.philox_block(key=ctx.stream(stream), c0=at.c0 + np.uint64(draw // 2), c1=at.c1)[
        draw % 2
    ]
    idle, sigma = (np.full(len(words), figure, dtype=np.float64) for figure in law)
    weight: Array = ctx.kernels.gated_weight(x=words, idle=idle, sigma=sigma)
    own, total = int(weight[mine]), int(weight.sum(dtype=np.uint64))
    expected = f"{quota * own / total:.4f} expected, caps and eligibility aside"
    return [
        f"quota    {quota:,} {what} are shared in proportion to weights up to the caps",
        f"weight   {own / _UNIT:.4f} of {total / _UNIT:,.4f} in the cell: {expected}",
    ]


def cell_told(ctx: Context, country: int, segment: int, text: str) -> str:
    """Which cell it is, and what it holds."""
    return f"cell     {ctx.vocabulary('country')[country]}, {ctx.vocabulary('segment')[segment]}, {text}"

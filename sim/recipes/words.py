"""Random words of entities: addressed as the contract says, drawn, and entered in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

WORDS_NEEDS = Needs(kernels=("philox_block",))
BELOW_NEEDS = Needs(kernels=("bounded_integer",))


def below(ctx: Context, x: Array, bound: Array | int) -> Array:
    """Uniform whole numbers below a bound: int64, n.

    Args:
        ctx: Context.
        x: uint64, n: words.
        bound: Whole numbers above 0: one for all, or n.
    """
    limit = np.full(len(x), bound, dtype=np.uint64) if isinstance(bound, int) else bound.astype(np.uint64)
    found: Array = ctx.kernels.bounded_integer(x=x, bound=limit).astype(np.int64)
    return found


def words_at(ctx: Context, at: Address, scenario: str | None = None) -> tuple[Array, ...]:
    """The words of each entity at an address, as many as the contract of its stream says.

    Args:
        ctx: Context of a state that declares the stream.
        at: Where each entity's draws begin.
        scenario: For a stream of scope `scenario`.

    Returns:
        One uint64 array a draw: draw d is lane d % 2 of block d // 2. Nothing is entered in the ledger.
    """
    draws = ctx.draws_of(at.stream)
    found: list[Array] = []
    for block in range((draws + 1) // 2):
        found += block_at(ctx, at, block, scenario)
    return tuple(found[:draws])


def block_at(ctx: Context, at: Address, block: int = 0, scenario: str | None = None) -> tuple[Array, Array]:
    """Both words of one block of each entity, draws 2 x block and 2 x block + 1."""
    c0 = at.c0 | np.uint64(block) if block else at.c0
    first, second = ctx.kernels.philox_block(key=ctx.stream(at.stream, scenario), c0=c0, c1=at.c1)
    return first, second


def words(
    ctx: PartitionContext,
    stream: str,
    /,
    *,
    scenario: str | None = None,
    names: Mapping[str, Array] | None = None,
    **fields: Any,
) -> tuple[Array, ...]:
    """The words of each entity of a partition, entered in the ledger.

    Args:
        ctx: Context of a partition of a state that declares the stream.
        stream: Stream id; its contract says how many words an entity has.
        scenario: For scenario data.
        names: Columns by which people know the entities; see `PartitionContext.ledger`.
        **fields: What the entities' addresses are made of; see `Context.address`.

    Returns:
        One uint64 array a draw.
    """
    at = ctx.address(stream, **fields)
    found = words_at(ctx, at, scenario)
    ctx.ledger(at, scenario=scenario, names=names)
    return found


def word(ctx: PartitionContext, stream: str, /, **fields: Any) -> Array:
    """The word of each entity of a stream of one draw: uint64; see `words`."""
    (found,) = words(ctx, stream, **fields)
    return found

"""Natural keys as 64-bit entities for random addresses, and as ids.

An entity is a chain of Philox blocks over the key's parts under a fixed key, so it depends on nothing but the
key itself. With n keys two of them collide with probability below n**2 / 2**65 (3e-8 for a million); states
that need uniqueness check it. An id is 63 bits of such a word: n ids collide with probability below
n**2 / 2**64.
"""

from __future__ import annotations

import numpy as np

from sim.rng import ENTITY_KEY
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

ENTITY_NEEDS = Needs(kernels=("entity_hash",))


def zone_entity(ctx: Context, merchant_id: Array, country: Array, tzid: Array, channel: Array) -> Array:
    """Entity of (merchant, country, tzid, channel), the key of all demand and arrival draws.

    Args:
        ctx: Context.
        merchant_id: uint64, n.
        country: int16 codes into `country`, n.
        tzid: int16 codes into `tzid`, n.
        channel: int16 codes into `channel`, n.

    Returns:
        uint64, n.
    """
    return ctx.field(
        "demand_key",
        merchant_id=merchant_id,
        country_name=ctx.name_hashes("country")[country],
        tzid_name=ctx.name_hashes("tzid")[tzid],
        channel_name=ctx.name_hashes("channel")[channel],
    )


def country_zone_entity(ctx: Context, country: Array, tzid: Array) -> Array:
    """Entity of (country, tzid): uint64, n."""
    return pair_entity(ctx, ctx.name_hashes("country")[country], ctx.name_hashes("tzid")[tzid])


def pair_entity(ctx: Context, left: Array, right: Array) -> Array:
    """Entity of two 64-bit parts (ids or name hashes): uint64, n."""
    entity: Array = ctx.kernels.entity_hash(a=left, b=right, key=ENTITY_KEY)
    return entity


def id_of(word: Array) -> Array:
    """Ids made of random words or hashes: uint64, n, each in 1 .. 2**63 - 1, the word's upper 63 bits.

    A word below 4 gives 1: no id is 0.

    Args:
        word: uint64, n.
    """
    found: Array = np.maximum(word >> np.uint64(1), np.uint64(1))
    return found

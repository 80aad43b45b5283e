"""Who lives with whom: the order in which people of one country and household size fill its households.

Neighbours in that order share a household. Some people line up with their like, by segment and age; the
others line up by age alone, where a child who lives with its parents stands a generation above its age, among
them.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.terms import entry
from sim.recipes.words import WORDS_NEEDS, words
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

MATCH = "6A.household_match"
PERMILLE = 1000
_AGE_BITS, _SEGMENT_BITS = 24, 8
_AGE_UNIT = 65_536.0
"""Ages on the line are compared in these parts of a year."""

MATCHING_NEEDS = Needs(
    config=("household_prior_6A",),
    streams=(MATCH,),
    kernels=("bounded_integer", "normal_quantile_map", "open_uniform"),
    uses=(WORDS_NEEDS,),
)


def matched(
    ctx: PartitionContext, rank: Array, entity: Array, people: Frame, block: Array, size: Array
) -> Array:
    """Order of people within their blocks: int64 positions, n.

    Args:
        ctx: Context.
        rank: uint64, n: `party_rank`.
        entity: uint64, n: `party_cell`.
        people: Columns `segment_id`, `age` (years, float64).
        block: int64, n: country and household size, not falling.
        size: int64, n: that size.

    Returns:
        Positions sorted by block. People who live alone keep their order.
    """
    drawn = words(ctx, MATCH, party_rank=rank, party_cell=entity)
    return np.argsort(match_keys(ctx, drawn, people, block, size), kind="stable")


def match_keys(ctx: Context, drawn: tuple[Array, ...], people: Frame, block: Array, size: Array) -> Array:
    """Place of each person on the line of its block: uint64, n; see `matched`.

    Args:
        ctx: Context.
        drawn: Words of `MATCH`: alike or not; child or not; noise of the age.
        people: As in `matched`.
        block: As in `matched`.
        size: As in `matched`.
    """
    law = ctx.params.household_prior_6A.match
    coin = [ctx.kernels.bounded_integer(x=word, bound=np.full_like(word, PERMILLE)) for word in drawn[:2]]
    alike = coin[0] < np.where(size == 2, law.alike_permille.pairs, law.alike_permille.larger).astype(
        np.uint64
    )
    child_odds = np.array(
        [entry(law.child_permille, name, 0) for name in ctx.vocabulary("segment")], dtype=np.uint64
    )
    child = ~alike & (coin[1] < child_odds[people.segment_id])
    noise = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=drawn[2]))
    line = people.age + np.where(child, np.float64(law.generation_years), 0.0)
    line = line + np.float64(law.age_noise_years) * noise
    place = np.clip(np.floor((line + 64.0) * _AGE_UNIT), 0.0, float((1 << _AGE_BITS) - 1)).astype(np.uint64)
    # Those who are not alike stand behind all segments.
    group = np.where(alike, people.segment_id.astype(np.uint64), np.uint64((1 << _SEGMENT_BITS) - 1))
    key = (block.astype(np.uint64) << np.uint64(_SEGMENT_BITS) | group) << np.uint64(_AGE_BITS) | place
    keys: Array = np.where(size > 1, key, block.astype(np.uint64) << np.uint64(_SEGMENT_BITS + _AGE_BITS))
    return keys

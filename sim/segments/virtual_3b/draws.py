"""How rows of 3B find their draws: for `closedworld explain`."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    CHOICE,
    INTEGER,
    NORMAL,
    UNIFORM,
    Drawn,
    Explained,
    MadeOf,
    Word,
    at,
    position,
    where,
)
from sim.recipes.groups import run_starts
from sim.recipes.land import FURTHER_WORDS, POINT, further_tries, landed
from sim.recipes.places import world_places
from sim.recipes.words import words_at
from sim.segments.virtual_3b.s3_edges import AGAIN, EDGE, edge_ids
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _may_be_virtual(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return where(rows, rows.decision_permille > 0)


def _hybrid(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return where(rows, rows.virtual_mode == ctx.code("virtual_mode", "HYBRID"))


def _edges(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Edges with their `edge_rank`: the one whose id is the row's, of as many as the merchant has."""
    owner = ctx.load("edge_catalogue_3B", columns=("merchant_id",)).merchant_id
    first, stop = (np.searchsorted(owner, rows.merchant_id, side=side) for side in ("left", "right"))
    size = (stop - first).astype(np.int64)
    index = np.repeat(np.arange(len(rows)), size)
    rank = np.arange(len(index)) - np.repeat(np.cumsum(size) - size, size)
    here = np.flatnonzero(
        edge_ids(ctx, rows.merchant_id[index], rank.astype(np.uint64)) == rows.edge_id[index]
    )
    here = here[run_starts(index[here])]
    return at(rows, index[here], edge_rank=rank[here].astype(np.uint64))


def _further(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Further tries of edges whose first point lies in the sea."""
    policy, drew = ctx.params.edge_policy_3B, _edges(ctx, part, rows)
    cities = world_places(ctx, "homes")
    city = position(cities.frame.city_id, drew.city_id)
    fields = {"edge_rank": drew.edge_rank, "merchant_id": drew.merchant_id}
    x = words_at(ctx, ctx.address(EDGE, **fields))
    first = cities.around(ctx, city, (x[3], x[4], x[5]), policy.jitter_reach)
    return further_tries(drew, landed(ctx, cities, city, first, policy.jitter_reach, AGAIN, **fields))


_EDGES = "edge_catalogue_3B"
_GROUP = {name: name for name in ("merchant_id", "country_iso", "tzid")}

_DRAWS = (
    Drawn(
        "virtual_classification_3B",
        "3B.virtual_mode",
        (Word(0, INTEGER, "virtual_mode, by the odds of mcc and channel", below=1000),),
        _may_be_virtual,
    ),
    Drawn(
        "virtual_classification_3B",
        "3B.virtual_share",
        (Word(0, UNIFORM, "virtual_share, between the channel's bounds"),),
        _hybrid,
    ),
    Drawn(
        "virtual_settlement_3B",
        "3B.settlement_city",
        (Word(0, CHOICE, "city_id, by the outlets of metros", "city_id"),),
    ),
    Drawn(
        _EDGES,
        "3B.footprint",
        (
            Word(0, INTEGER, "how far the merchant reaches", below=1000),
            Word(1, NORMAL, "how many edges it has"),
        ),
    ),
    Drawn(
        _EDGES,
        "3B.edge",
        (
            Word(0, CHOICE, "country_iso", "country_iso"),
            Word(1, CHOICE, "city_id", "city_id"),
            Word(2, NORMAL, "factor of weight_q"),
            *(Word(3 + number, made, what) for number, (made, what) in enumerate(POINT)),
        ),
        _edges,
    ),
    Drawn(_EDGES, AGAIN, FURTHER_WORDS, _further),
)

_MADE_OF = (
    MadeOf(_EDGES, _EDGES, "edges of the merchant, which share 2**40", {"merchant_id": "merchant_id"}),
    MadeOf("edge_alias_3B", _EDGES, "edges of the table", _GROUP),
    MadeOf("edge_group_weights_3B", _EDGES, "edges of the group", _GROUP),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF)
"""How rows of 3B are explained."""

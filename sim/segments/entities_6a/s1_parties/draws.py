"""How parties find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, RACE, Drawn, Explained, MadeOf, Word, at, position
from sim.recipes.join import look_up
from sim.recipes.land import FURTHER_WORDS, POINT, further_tries, landed
from sim.recipes.places import world_places
from sim.recipes.words import words_at
from sim.segments.entities_6a.cells import cell_words
from sim.segments.entities_6a.draw_keys import party_cells
from sim.segments.entities_6a.households import households_of
from sim.segments.entities_6a.s1_parties.state import HOME, HOME_AGAIN, HOUSEHOLD, race_keys
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _in_queue(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """RETAIL parties, who line up for households."""
    here = np.flatnonzero(rows.party_type == ctx.code("party_type", "RETAIL"))
    return at(rows, here, party_rank=party_cells(ctx, rows.party_id[here]).party_rank)


def _heads(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The first member of each party's household in the queue: the home was drawn at that party's address."""
    parties = ctx.load(
        "s1_party_base_6A", part=part.index, columns=("party_id", "country_iso", "party_type", "household_id")
    )
    homes = households_of(ctx, parties)
    mine = np.unique((rows.household_id - np.uint64(homes.first_id)).astype(np.int64))
    size = homes.size[mine]
    member = homes.member[
        np.repeat(homes.start[mine] - (np.cumsum(size) - size), size) + np.arange(int(size.sum()))
    ]
    cells = party_cells(ctx, parties.party_id[member])
    (x,) = words_at(
        ctx, ctx.address(HOUSEHOLD, party_rank=cells.party_rank, party_cell=cell_words(ctx, cells))
    )
    key = race_keys(ctx, x, cells.segment_id)
    order = np.lexsort((member, key, homes.of_party[member]))
    first = order[np.cumsum(size) - size]
    head = first[look_up(mine, (rows.household_id - np.uint64(homes.first_id)).astype(np.int64))]
    found = at(rows, np.arange(len(rows)), party_rank=cells.party_rank[head])
    return found.with_columns(country_iso=cells.country_iso[head], segment_id=cells.segment_id[head])


def _further(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Further tries of homes whose first point lies in the sea, at the address of the first member."""
    prior, drew = ctx.params.household_prior_6A, _heads(ctx, part, rows)
    cities = world_places(ctx, "homes")
    city = position(cities.frame.city_id, drew.home_city_id)
    fields = {"party_rank": drew.party_rank, "party_cell": cell_words(ctx, drew)}
    x = words_at(ctx, ctx.address(HOME, **fields))
    first = cities.around(ctx, city, (x[1], x[2], x[3]), prior.jitter_reach)
    return further_tries(drew, landed(ctx, cities, city, first, prior.jitter_reach, HOME_AGAIN, **fields))


_PARTIES = "s1_party_base_6A"

_DRAWS = (
    Drawn(
        _PARTIES,
        "6A.household",
        (Word(0, RACE, "household_id: place in its country's queue for households"),),
        _in_queue,
    ),
    Drawn(
        _PARTIES,
        "6A.home",
        (
            Word(0, CHOICE, "home_city_id, by the homes of places", "home_city_id"),
            *(Word(1 + number, made, what) for number, (made, what) in enumerate(POINT)),
        ),
        _heads,
    ),
    Drawn(_PARTIES, HOME_AGAIN, FURTHER_WORDS, _further),
)

_MADE_OF = (
    MadeOf(
        _PARTIES,
        "s1_party_summary_6A",
        "its cell",
        {"country_iso": "country_iso", "segment_id": "segment_id"},
    ),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF)

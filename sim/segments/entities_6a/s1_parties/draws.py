"""How parties find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    CHOICE,
    INTEGER,
    NORMAL,
    RACE,
    UNIFORM,
    Drawn,
    Explained,
    MadeOf,
    Word,
    at,
    position,
)
from sim.recipes.land import FURTHER_WORDS, POINT, further_tries, landed
from sim.recipes.places import world_places
from sim.recipes.weekdays import PARTS
from sim.recipes.words import words_at
from sim.segments.entities_6a.cells import cell_words
from sim.segments.entities_6a.draw_keys import party_cells
from sim.segments.entities_6a.households import households_of
from sim.segments.entities_6a.s1_parties.dwellings import DWELLING, flats_of, sites
from sim.segments.entities_6a.s1_parties.dwellings import PERMILLE as HOMES
from sim.segments.entities_6a.s1_parties.matching import PERMILLE as PEOPLE
from sim.segments.entities_6a.s1_parties.state import HOME, HOME_AGAIN
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_PARTIES = "s1_party_base_6A"


def _everybody(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """All parties."""
    return at(rows, np.arange(len(rows)), party_rank=party_cells(ctx, rows.party_id).party_rank)


def _people(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """RETAIL parties, who line up for households."""
    here = np.flatnonzero(rows.party_type == ctx.code("party_type", "RETAIL"))
    return at(rows, here, party_rank=party_cells(ctx, rows.party_id[here]).party_rank)


def _heads_of(ctx: Context, part: Partition) -> tuple[Frame, int]:
    """First members of the partition's households, in the order of household ids, and the first of those."""
    columns = ("party_id", "country_iso", "region_id", "party_type", "household_id", "home_city_id")
    parties = ctx.load(_PARTIES, part=part.index, columns=columns)
    homes = households_of(ctx, parties)
    heads = parties.take(homes.member[homes.start])
    cells = party_cells(ctx, heads.party_id)
    return heads.with_columns(party_rank=cells.party_rank, segment_id=cells.segment_id), homes.first_id


def _heads(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The first member of each party's household: the home was drawn at that party's address."""
    heads, first = _heads_of(ctx, part)
    mine = heads.take((rows.household_id - np.uint64(first)).astype(np.int64))
    found = at(rows, np.arange(len(rows)), party_rank=mine.party_rank)
    return found.with_columns(country_iso=mine.country_iso, segment_id=mine.segment_id)


def _at_buildings(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The first household of the building of each party in flats: the point was drawn there."""
    heads, first = _heads_of(ctx, part)
    address = ctx.address(DWELLING, party_rank=heads.party_rank, party_cell=cell_words(ctx, heads))
    private = heads.party_type == ctx.code("party_type", "RETAIL")
    city = heads.home_city_id.astype(np.int64)
    flats = flats_of(ctx, words_at(ctx, address), heads.region_id, private, city)
    site: Array = np.full(len(heads), -1, dtype=np.int64)
    site[flats.household] = sites(flats, heads.party_id.astype(np.int64))
    of_row = site[(rows.household_id - np.uint64(first)).astype(np.int64)]
    here = np.flatnonzero(of_row >= 0)
    there = heads.take(of_row[here])
    found = at(rows, here, party_rank=there.party_rank)
    return found.with_columns(country_iso=there.country_iso, segment_id=there.segment_id)


def _further(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Further tries of homes whose first point lies in the sea, at the address of the first member."""
    prior, drew = ctx.params.household_prior_6A, _heads(ctx, part, rows)
    cities = world_places(ctx, "homes")
    city = position(cities.frame.city_id, drew.home_city_id)
    fields = {"party_rank": drew.party_rank, "party_cell": cell_words(ctx, drew)}
    x = words_at(ctx, ctx.address(HOME, **fields))
    first = cities.around(ctx, city, (x[1], x[2], x[3]), prior.jitter_reach)
    return further_tries(drew, landed(ctx, cities, city, first, prior.jitter_reach, HOME_AGAIN, **fields))


_DRAWS = (
    Drawn(
        _PARTIES,
        "6A.household",
        (Word(0, RACE, "household_id: place in its country's queue for households, the largest first"),),
        _people,
    ),
    Drawn(
        _PARTIES,
        "6A.household_match",
        (
            Word(0, INTEGER, "household_id: with its like, or by age alone", below=PEOPLE),
            Word(1, INTEGER, "household_id: a child with its parents or not", below=PEOPLE),
            Word(2, NORMAL, "household_id: noise of its age among those it may live with"),
        ),
        _people,
    ),
    Drawn(
        _PARTIES,
        "6A.home",
        (
            Word(0, CHOICE, "home_city_id, by the homes of places", "home_city_id"),
            *(
                Word(1 + number, made, f"{what}, unless in flats")
                for number, (made, what) in enumerate(POINT)
            ),
        ),
        _heads,
    ),
    Drawn(
        _PARTIES,
        "6A.home",
        tuple(
            Word(1 + number, made, f"{what}: of the building's first household")
            for number, (made, what) in enumerate(POINT)
        ),
        _at_buildings,
    ),
    Drawn(_PARTIES, HOME_AGAIN, FURTHER_WORDS, _further),
    Drawn(
        _PARTIES,
        "6A.dwelling",
        (
            Word(0, INTEGER, "dwelling_type: flat or house, for people", below=HOMES),
            Word(1, UNIFORM, "building_id: which of its city's, if in flats"),
            Word(2, INTEGER, "address_id: whether a flat's number is on file", below=HOMES),
        ),
        _heads,
    ),
    Drawn(
        _PARTIES,
        "6A.party_profile",
        (
            Word(0, UNIFORM, "birth_year: place in the segment's ages, for people"),
            Word(1, CHOICE, "occupation, for people", "occupation"),
            Word(2, NORMAL, "income_band: income beside others of segment and occupation, for people"),
            Word(3, CHOICE, "email_domain_class", "email_domain_class"),
            Word(4, INTEGER, "phone_country_iso: abroad or at home", below=HOMES),
            Word(5, CHOICE, "phone_country_iso, if abroad", "phone_country_iso"),
            Word(6, UNIFORM, "founded_year: years before joining, unless a person"),
        ),
        _everybody,
    ),
    Drawn(
        _PARTIES,
        "6A.party_life",
        (
            Word(0, UNIFORM, "joined_date: place in the segment's law of tenures, up to its age"),
            Word(1, INTEGER, "joined_date: which workday instead of a weekend", below=PARTS),
            Word(2, RACE, "left_date: how long it stays"),
            Word(3, INTEGER, "left_date: which workday instead", below=PARTS),
        ),
        _everybody,
    ),
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

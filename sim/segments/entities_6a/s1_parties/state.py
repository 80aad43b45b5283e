"""6A.S1: the customers of banks - how many, where, of which type and segment, in which household and home.

Counts are exact (see `population`); what is drawn is who they are (`profile`), since when (`life`), who
lives with whom and where. RETAIL parties of a country line up in the order of an exponential race, so that
segments with more pull come first, and are dealt into its households from the largest to the smallest; among
those of one size, neighbours by stage of life live together (`matching`). A household's home is drawn at the
address of its first member, the one of the smallest id: a place of the world by its homes, a point on its
disk; a household in flats has the point of its building (`dwellings`). Any other party is its own household.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sim.recipes.land import LAND_NEEDS, LandCounts, count_at_sea, enter, land_checks, landed
from sim.recipes.places import DISK_NEEDS, PLACES_NEEDS, world_places
from sim.recipes.tables import ALIAS_PICK_NEEDS
from sim.recipes.terms import entry
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.s1_parties.checks import (
    PARTY_CHECKS_NEEDS,
    PartyCounts,
    count_parties,
    party_checks,
)
from sim.segments.entities_6a.s1_parties.checks_people import PeopleCounts, count_people
from sim.segments.entities_6a.s1_parties.dwellings import DWELLING, DWELLINGS_NEEDS, dwellings
from sim.segments.entities_6a.s1_parties.life import PARTY_LIFE_NEEDS, party_life
from sim.segments.entities_6a.s1_parties.matching import MATCH, MATCHING_NEEDS, matched
from sim.segments.entities_6a.s1_parties.near_checks import (
    NEAR_CHECKS_NEEDS,
    NearCounts,
    count_near,
    near_checks,
)
from sim.segments.entities_6a.s1_parties.population import (
    POPULATION_NEEDS,
    Population,
    check_priors,
    population,
    population_measure,
)
from sim.segments.entities_6a.s1_parties.profile import (
    AGE,
    PROFILE_NEEDS,
    ages,
    check_profile,
    profiles,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

HOUSEHOLD, HOME, HOME_AGAIN = "6A.household", "6A.home", "6A.home_again"
PROFILE, LIFE = "6A.party_profile", "6A.party_life"
STREAMS = {
    "household": HOUSEHOLD,
    "match": MATCH,
    "home": HOME,
    "dwelling": DWELLING,
    "profile": PROFILE,
    "life": LIFE,
}
PARTITION_PARTIES = 1 << 18

STATE = State(
    id="6A.S1",
    title="Parties",
    config=("household_prior_6A",),
    writes=("s1_party_base_6A", "s1_party_summary_6A"),
    streams=(HOUSEHOLD, HOME, HOME_AGAIN, LIFE, PROFILE),
    kernels=("race_key", "expand_rows"),
    counts=(PartyCounts, PeopleCounts, NearCounts, LandCounts),
    uses=(
        ALIAS_PICK_NEEDS,
        CELL_WORDS_NEEDS,
        DISK_NEEDS,
        DWELLINGS_NEEDS,
        LAND_NEEDS,
        MATCHING_NEEDS,
        NEAR_CHECKS_NEEDS,
        PARTY_CHECKS_NEEDS,
        PARTY_LIFE_NEEDS,
        PLACES_NEEDS,
        POPULATION_NEEDS,
        PROFILE_NEEDS,
        WORDS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse priors that contradict themselves."""
    check_priors(ctx)
    check_profile(ctx)


def plan(ctx: Context) -> list[Partition]:
    """Runs of whole countries of about 2**18 parties.

    A household lies in one country, so it lies in one partition.
    """
    parties = population(ctx).countries.parties.astype(np.int64)
    batch = (np.cumsum(parties) - parties) // PARTITION_PARTIES
    edges = [0, *(np.flatnonzero(np.diff(batch)) + 1).tolist(), len(parties)]
    return [
        Partition(index, spec={"countries": [first, stop]}, weight=int(parties[first:stop].sum()))
        for index, (first, stop) in enumerate(pairwise(edges))
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Parties of a run of countries."""
    targets = population(ctx)
    first, stop = part.spec["countries"]
    countries = targets.countries.slice(first, stop)
    inside = (targets.summary.country_iso >= countries.country_iso[0]) & (
        targets.summary.country_iso <= countries.country_iso[-1]
    )
    summary = targets.summary.take(np.flatnonzero(inside))
    offsets = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(summary.parties)))
    cell, rank = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    entity = cell_words(ctx, summary)
    people = summary.select("country_iso", "region_id", "party_type", "segment_id").take(cell)
    drawn = words(ctx, PROFILE, party_rank=rank, party_cell=entity[cell])
    age = ages(ctx, drawn[AGE], people, people.party_type == ctx.code("party_type", "RETAIL"))
    life = party_life(ctx, words(ctx, LIFE, party_rank=rank, party_cell=entity[cell]), people, age)
    profile = profiles(ctx, drawn, people, age, life.joined_date)
    household, head = _households(ctx, targets, (first, stop), summary, cell, rank, entity, age)
    homes = _homes(ctx, people.take(head), head, rank[head], entity[cell[head]])
    parties = Frame(
        {
            "party_id": np.arange(int(offsets[-1]), dtype=np.uint64) + summary.first_party_no[0],
            **dict(people.items()),
            "household_id": household.astype(np.uint64) + countries.first_household[0],
            **{name: column[household] for name, column in homes.items()},
            **dict(life.items()),
            **dict(profile.items()),
        },
        {**life.valid, **profile.valid},
    )
    count_parties(ctx, parties, head)
    count_people(ctx, parties)
    count_near(ctx, parties)
    return {"s1_party_base_6A": parties, "s1_party_summary_6A": summary}


def _households(
    ctx: PartitionContext,
    targets: Population,
    span: tuple[int, int],
    summary: Frame,
    cell: Array,
    rank: Array,
    entity: Array,
    age: Array,
) -> tuple[Array, Array]:
    """Household of each party and first member of each household (int64 rows).

    Households count from 0 in the partition, int64.
    """
    countries, members = targets.countries.slice(*span), targets.members[span[0] : span[1]].astype(np.int64)
    retail = summary.party_type == ctx.code("party_type", "RETAIL")
    people = np.flatnonzero(retail[cell])
    queue = people[_queue(ctx, summary, cell[people], rank[people], entity)]
    # One block a (country, size), largest households first; `place` is a member's position in its block.
    size = np.tile(np.arange(members.shape[1], 0, -1), len(members))
    block_members = members[:, ::-1].ravel()
    block_homes = -(-block_members // size)
    # RETAIL households of a country come first in its ids, then one a party of another type.
    first = (countries.first_household - countries.first_household[0]).astype(np.int64)
    retail_homes = block_homes.reshape(members.shape).sum(axis=1)
    block_first = (
        np.cumsum(block_homes.reshape(members.shape), axis=1)
        - block_homes.reshape(members.shape)
        + first[:, None]
    ).ravel()
    block = np.repeat(np.arange(len(size)), block_members)
    place = np.arange(len(queue)) - np.repeat(np.cumsum(block_members) - block_members, block_members)
    queued = Frame({"segment_id": summary.segment_id[cell[queue]], "age": age[queue]})
    queue = queue[matched(ctx, rank[queue], entity[cell[queue]], queued, block, size[block])]
    household = np.zeros(len(cell), dtype=np.int64)
    head = np.zeros(int(countries.households.sum()), dtype=np.int64)
    household[queue] = block_first[block] + place // size[block]
    # From the last to the first: the one that stays written is the first member.
    head[household[people[::-1]]] = people[::-1]
    others = np.flatnonzero(~retail[cell])
    other_count = (countries.parties - countries.retail).astype(np.int64)
    alone = np.repeat(first + retail_homes - (np.cumsum(other_count) - other_count), other_count) + np.arange(
        len(others)
    )
    household[others] = alone
    head[alone] = others
    return household, head


def _queue(ctx: PartitionContext, summary: Frame, cell: Array, rank: Array, entity: Array) -> Array:
    """Order in which RETAIL parties enter households, country by country: int64 positions."""
    x = word(ctx, HOUSEHOLD, party_rank=rank, party_cell=entity[cell])
    key = race_keys(ctx, x, summary.segment_id[cell])
    order = np.empty(len(cell), dtype=np.int64)
    country = summary.country_iso[cell]
    starts = (
        np.flatnonzero(np.concatenate(([True], country[1:] != country[:-1])))
        if len(cell)
        else np.zeros(0, dtype=np.int64)
    )
    for begin, end in zip(starts, [*starts[1:], len(cell)], strict=True):
        order[begin:end] = begin + np.argsort(key[begin:end], kind="stable")
    return order


def race_keys(ctx: Context, word: Array, segment: Array) -> Array:
    """Places in the queue by each party's word (uint64, n) and segment (int16, n): float64, n.

    The smallest goes first.
    """
    crowding = ctx.params.household_prior_6A.crowding
    pull = np.array([entry(crowding, name, 0.0) for name in ctx.vocabulary("segment")], dtype=np.float64)
    key: Array = ctx.kernels.race_key(x=word, weight=pull[segment])
    return key


def _homes(ctx: PartitionContext, heads: Frame, head: Array, rank: Array, entity: Array) -> Frame:
    """City, point, time zone and address of each household, drawn at the address of its first member.

    Args:
        ctx: Context.
        heads: First members: `country_iso`, `region_id`, `party_type`.
        head: int64, h: their rows.
        rank: uint64, h: their `party_rank`.
        entity: uint64, h: their `party_cell`.
    """
    prior = ctx.params.household_prior_6A
    x0, x1, x2, x3 = words(ctx, HOME, party_rank=rank, party_cell=entity)
    cities = world_places(ctx, "homes")
    city = cities.pick(ctx, x0, heads.country_iso)
    first = cities.around(ctx, city, (x1, x2, x3), prior.jitter_reach)
    fields = {"party_rank": rank, "party_cell": entity}
    found = landed(ctx, cities, city, first, prior.jitter_reach, HOME_AGAIN, **fields)
    enter(ctx, found)
    homes = Frame(
        {
            "city_id": cities.frame.city_id[city],
            "region_id": heads.region_id,
            "private": heads.party_type == ctx.code("party_type", "RETAIL"),
            "party": head,
            "home_lat_deg": found.lat,
            "home_lon_deg": found.lon,
        }
    )
    homes = dwellings(ctx, homes, rank, entity)
    count_at_sea(ctx, cities, city, homes.home_lat_deg, homes.home_lon_deg)
    return Frame(
        {
            "home_city_id": homes.city_id,
            **dict(homes.select("home_lat_deg", "home_lon_deg").items()),
            "home_tzid": cities.frame.tzid[city],
            **dict(homes.select("dwelling_type", "address_id", "building_id").items()),
        }
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `party_checks`, `near_checks` and `land_checks`."""
    return [
        *party_checks(ctx, totals, STREAMS),
        *near_checks(ctx, totals),
        *land_checks(totals, HOME_AGAIN, "homes"),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How many customers there are of those asked for."""
    return [population_measure(ctx)]

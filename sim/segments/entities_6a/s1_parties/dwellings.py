"""Addresses: houses with one household and buildings with several.

A household in flats draws one of its city's buildings; there are as many as its households need in the
mean. The first buildings of a city are larger than the last: a household takes building floor(n x u ** 1.5)
of n. All flats of a building lie where the home of its first household was drawn: that of the party with the
smallest id. Some addresses on file lack the number of the flat, so strangers share them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.groups import run_starts
from sim.recipes.terms import by_term
from sim.recipes.words import WORDS_NEEDS, words
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DWELLING = "6A.dwelling"
PERMILLE = 1000
_HOUSE, _FLATS = np.uint64(0x686F757365), np.uint64(0x666C617473)
"""ASCII "house", "flats": one use of a hash apart from another."""

DWELLINGS_NEEDS = Needs(
    config=("dwelling_prior_6A",),
    streams=(DWELLING,),
    kernels=("bounded_integer", "open_uniform"),
    uses=(ENTITY_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Flats:
    """Households in flats, and their buildings.

    Attributes:
        household: int64, f: rows of the households in flats.
        city: int64, f: its id.
        slot: int64, f: number of the building in its city, from 0.
    """

    household: Array
    city: Array
    slot: Array


def flats_of(ctx: Context, drawn: tuple[Array, ...], region: Array, private: Array, city: Array) -> Flats:
    """Which households of whole countries live in flats, and in which buildings.

    Args:
        ctx: Context with `dwelling_prior_6A`.
        drawn: Words of `DWELLING`: flat or house; building; number of the flat on file or not.
        region: int16, h.
        private: bool, h: households of RETAIL parties; others have premises of their own.
        city: int64, h: its id.
    """
    prior = ctx.params.dwelling_prior_6A
    odds = by_term(ctx, "region", prior.flats_permille, "dwelling_prior_6A.flats_permille")
    point = ctx.kernels.bounded_integer(x=drawn[0], bound=np.full_like(drawn[0], PERMILLE))
    rows = np.flatnonzero(private & (point < np.array(odds, dtype=np.uint64)[region]))
    mine, place, count = np.unique(city[rows], return_inverse=True, return_counts=True)
    buildings = np.maximum(np.floor(count / np.float64(prior.households_per_building)), 1.0)[place]
    u = ctx.kernels.open_uniform(x=drawn[1][rows])
    slot = np.minimum(np.floor(buildings * (u * np.sqrt(u))), buildings - 1.0).astype(np.int64)
    return Flats(rows, mine[place], slot)


def address_ids(ctx: Context, flats: Flats, rank: Array, entity: Array, word: Array) -> tuple[Array, Array]:
    """Ids of addresses and buildings of households: uint64, h.

    Args:
        ctx: Context.
        flats: Households in flats.
        rank: uint64, h: `party_rank` of the first member.
        entity: uint64, h: its `party_cell`.
        word: uint64, h: last word of `DWELLING`.
    """
    own = pair_entity(ctx, entity, rank ^ _HOUSE)
    building, unit = own.copy(), np.zeros_like(own)
    rows = flats.household
    building[rows] = pair_entity(ctx, flats.city.astype(np.uint64) ^ _FLATS, flats.slot.astype(np.uint64))
    permille = np.uint64(ctx.params.dwelling_prior_6A.without_unit_permille)
    point = ctx.kernels.bounded_integer(x=word[rows], bound=np.full(len(rows), PERMILLE, dtype=np.uint64))
    unit[rows] = np.where(point < permille, np.uint64(0), own[rows])
    address = pair_entity(ctx, building, unit)
    return id_of(address), id_of(building)


def sites(flats: Flats, party: Array) -> Array:
    """The first household of the building of each household in flats: int64, f.

    Args:
        flats: Households in flats.
        party: int64, h: row of the first member of each household.
    """
    order = np.lexsort((party[flats.household], flats.slot, flats.city))
    start = run_starts(flats.city[order], flats.slot[order])
    first: Array = np.empty_like(flats.household)
    first[order] = np.repeat(flats.household[order][start], np.diff(np.append(start, len(order))))
    return first


def dwellings(ctx: PartitionContext, homes: Frame, rank: Array, entity: Array) -> Frame:
    """Homes with `dwelling_type`, `address_id` and `building_id`, all flats of a building at its point.

    Args:
        ctx: Context.
        homes: Columns `city_id`, `region_id`, `private`, `party` (row of the first member), `home_lat_deg`,
            `home_lon_deg`.
        rank: uint64, h: `party_rank` of the first member.
        entity: uint64, h: its `party_cell`.
    """
    drawn = words(ctx, DWELLING, party_rank=rank, party_cell=entity)
    flats = flats_of(ctx, drawn, homes.region_id, homes.private, homes.city_id.astype(np.int64))
    address, building = address_ids(ctx, flats, rank, entity, drawn[2])
    first = sites(flats, homes.party)
    home_lat, home_lon = homes.home_lat_deg.copy(), homes.home_lon_deg.copy()
    home_lat[flats.household] = homes.home_lat_deg[first]
    home_lon[flats.household] = homes.home_lon_deg[first]
    kind = np.where(
        homes.private, ctx.code("dwelling_type", "HOUSE"), ctx.code("dwelling_type", "PREMISES")
    ).astype(np.int16)
    kind[flats.household] = ctx.code("dwelling_type", "FLAT")
    return homes.with_columns(
        None,
        home_lat_deg=home_lat,
        home_lon_deg=home_lon,
        dwelling_type=kind,
        address_id=address,
        building_id=building,
    )

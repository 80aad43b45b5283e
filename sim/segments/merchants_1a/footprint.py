"""The places of the world: metros of its countries, and towns around them.

A country's metros are a systematic sample in proportion to their people, the largest for certain; a metro
that the user's merchants are in is always there. A metro weighs what it has people (those of its principal
city), not what it stands for in the sample: a town beside Tokyo must not sell like Tokyo. Part of its homes
and outlets lies in towns, cities of the metro outside the principal city's disk, drawn by an exponential race
on their people; homes lie in the countryside around them too.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths, run_of_row, run_offsets, sum_by_run
from sim.recipes.join import look_up
from sim.recipes.nearest import given_places, nearest_cities, squared_distance
from sim.recipes.samples import SYSTEMATIC_NEEDS, systematic
from sim.recipes.weights import POWER_NEEDS, power
from sim.recipes.words import WORDS_NEEDS, word, words_at
from sim.segments.merchants_1a.countries import letters_of
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

_WEIGHT = np.float64(65536.0)

FOOTPRINT_NEEDS = Needs(
    config=("footprint_policy_1A",),
    reference=("cities",),
    external=("merchants_input_1A",),
    streams=("1A.footprint_metro", "1A.footprint_town"),
    kernels=("race_key",),
    uses=(POWER_NEEDS, SYSTEMATIC_NEEDS, WORDS_NEEDS),
)


def world_footprint(ctx: PartitionContext, markets: Frame) -> Frame:
    """Rows of `world_footprint_1A`.

    Args:
        ctx: Context.
        markets: Rows of `world_markets_1A`.

    Returns:
        Sorted by country and city.
    """
    cities = ctx.reference("cities").sort("country_iso", "city_id")
    named = _named(ctx, cities)
    principal = np.flatnonzero(cities.metro_id == cities.city_id)
    chosen = principal[_metros(ctx, markets, cities, principal, named)]
    towns = _towns(ctx, cities, chosen, named)
    return _weighted(ctx, cities, chosen, towns)


def _named(ctx: PartitionContext, cities: Frame) -> Array:
    """City rows nearest to the places the user's merchants named: int64, ascending, each once."""
    rows = ctx.external("merchants_input_1A")
    if rows is None:
        return np.empty(0, dtype=np.int64)
    found: Array = np.unique(nearest_cities(cities, given_places(rows))[0])
    return found


def _metros(ctx: PartitionContext, markets: Frame, cities: Frame, principal: Array, named: Array) -> Array:
    """Which principal cities (rows `principal`) the world has: bool."""
    least = np.int64(ctx.params.footprint_policy_1A.metro_least_population)
    taken = np.isin(cities.city_id[principal], cities.metro_id[named])
    start = word(ctx, "1A.footprint_metro", country_letters=letters_of(ctx, markets.country_iso))
    for number, country in enumerate(markets.country_iso.tolist()):
        own = np.flatnonzero(cities.country_iso[principal] == country)
        people = cities.population[principal[own]]
        # A country without a metro of that size has its largest one.
        size = np.where((people >= min(least, int(people.max()))) & ~taken[own], people, 0).astype(np.uint64)
        wanted = max(0, int(markets.metros_wanted[number]) - int(np.count_nonzero(taken[own])))
        # From west to east, so that the sample spreads over the country.
        order = np.lexsort((cities.lat_udeg[principal[own]], cities.lon_udeg[principal[own]]))
        sample = systematic(ctx, size[order], wanted, start[number : number + 1])
        taken[own[order[sample]]] = True
    return taken


def _towns(ctx: PartitionContext, cities: Frame, chosen: Array, named: Array) -> Array:
    """City rows of the towns of the chosen metros (rows of their principal cities): int64, by metro."""
    candidates = town_candidates(cities, chosen)
    at = ctx.address("1A.footprint_town", city_number=cities.city_id[candidates].astype(np.uint64))
    (x,) = words_at(ctx, at)
    ctx.ledger(at)
    key = ctx.kernels.race_key(x=x, weight=cities.population[candidates].astype(np.float64))
    key = np.where(np.isin(candidates, named), -np.inf, key)  # a place the user named is there
    order = np.lexsort((cities.city_id[candidates], key, cities.metro_id[candidates]))
    candidates = candidates[order]
    offsets = run_offsets(cities.metro_id[candidates])
    rank = np.arange(len(candidates)) - np.repeat(offsets[:-1].astype(np.int64), run_lengths(offsets))
    there = (rank < ctx.params.footprint_policy_1A.towns_a_metro) | np.isin(candidates, named)
    inner = named[~np.isin(named, candidates) & ~np.isin(named, chosen)]
    return np.concatenate([candidates[there], inner])


def town_candidates(cities: Frame, chosen: Array) -> Array:
    """City rows that may be towns of the metros whose principal cities are the rows `chosen`: int64.

    They belong to the metro and lie outside the principal city's disk.
    """
    ids = cities.city_id[chosen]
    order = np.argsort(ids, kind="stable")
    member = np.flatnonzero(np.isin(cities.metro_id, ids) & (cities.metro_id != cities.city_id))
    centre = chosen[order[look_up(ids[order], cities.metro_id[member])]]
    square = squared_distance(
        cities.lat_udeg[member].astype(np.int64) - cities.lat_udeg[centre],
        cities.lon_udeg[member].astype(np.int64) - cities.lon_udeg[centre],
        cities.lon_scale[centre],
    )
    radius = cities.jitter_radius_udeg[centre].astype(np.float64)
    outside: Array = member[square > radius * radius]
    return outside


def _weighted(ctx: PartitionContext, cities: Frame, metros: Array, towns: Array) -> Frame:
    """Places with their weights in outlets and in homes."""
    policy = ctx.params.footprint_policy_1A
    rows = np.concatenate([metros, towns])
    is_town = np.arange(len(rows)) >= len(metros)
    order = np.lexsort((cities.city_id[rows], is_town, cities.metro_id[rows]))
    rows, is_town = rows[order], is_town[order]
    offsets = run_offsets(cities.metro_id[rows])
    of_metro = run_of_row(offsets)
    people = cities.population[rows]
    first = offsets[:-1].astype(np.int64)  # the principal city leads its metro
    in_towns = np.where(is_town, people, 0).astype(np.uint64)
    of_towns = sum_by_run(in_towns, offsets)
    columns = {}
    for name, exponent, permille in (
        ("site_weight", policy.site_exponent, policy.town_sites_permille),
        ("home_weight", policy.home_exponent, policy.town_homes_permille),
    ):
        whole = np.floor(power(ctx, people[first].astype(np.float64), exponent) * _WEIGHT)
        shared = np.where(of_towns > 0, np.floor(whole * np.float64(permille) / 1000.0), 0.0)
        part = in_towns.astype(np.float64) / np.maximum(of_towns, 1)[of_metro].astype(np.float64)
        weight = np.where(is_town, np.floor(shared[of_metro] * part), (whole - shared)[of_metro])
        columns[name] = np.maximum(weight, 1.0).astype(np.uint64)
    radius = cities.jitter_radius_udeg[rows]
    wide = np.maximum(radius, np.int32(policy.countryside_udeg))
    kinds = [ctx.code("place_kind", name) for name in ("METRO", "TOWN")]
    return Frame(
        {
            "country_iso": cities.country_iso[rows],
            "city_id": cities.city_id[rows],
            "metro_id": cities.metro_id[rows],
            "place_kind": np.where(is_town, kinds[1], kinds[0]).astype(np.int16),
            **columns,
            "site_radius_udeg": radius,
            "home_radius_udeg": np.where(is_town, wide, radius),
        }
    ).sort("country_iso", "city_id")

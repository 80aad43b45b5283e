"""Where people travel to, and where proxies and data centres abroad are: picks of a country and of a city.

A destination may lie outside the world's own countries: a world of one country has travellers too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.weights import POWER_NEEDS, power
from sim.segments.entities_6a.network_tables import integers
from sim.segments.entities_6a.snapshot_cities import (
    SNAPSHOT_CITIES_NEEDS,
    SnapshotCities,
    snapshot_cities,
)
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

DESTINATIONS_NEEDS = Needs(
    reference=("countries",),
    config=("ip_abroad_prior_6A",),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, SNAPSHOT_CITIES_NEEDS, POWER_NEEDS),
)


@dataclass(frozen=True)
class Destinations:
    """Countries abroad of some home countries, and the cities of all.

    Attributes:
        home: int16: home countries, ascending.
        travel: Alias tables, one a home country, over all country codes.
        exits: Likewise, for what hides or hosts.
        cities: Cities of the snapshot.
    """

    home: Array
    travel: AliasTables
    exits: AliasTables
    cities: SnapshotCities

    def countries(self, ctx: Context, words: Array, home: Array, journey: Array) -> Array:
        """Country of each word (uint64, n): int64 codes.

        Args:
            ctx: Context.
            words: One a link or party.
            home: int16, n: of `home`.
            journey: bool, n: by the law of travellers, else by that of exits.
        """
        place = np.searchsorted(self.home, home)
        many = len(ctx.vocabulary("country"))
        travelled, left = self.travel.pick(ctx, words, place), self.exits.pick(ctx, words, place)
        found: Array = np.where(journey, travelled, left) % many
        return found

    def metros(self, ctx: Context, words: Array, country: Array) -> Array:
        """Metro of a city of each country, drawn by population: uint32, n."""
        if len(words) == 0:
            return np.zeros(0, dtype=np.uint32)
        metro: Array = self.cities.frame.metro_id[self.cities.pick(ctx, words, country)]
        return metro


def destinations_of(ctx: Context, home: Array) -> Destinations:
    """The laws for these home countries (codes, ascending)."""
    law = ctx.params.ip_abroad_prior_6A
    cities = snapshot_cities(ctx, law.city_exponent)
    away = cities.group[None, :] >= 0
    away = away & (np.arange(away.shape[1])[None, :] != home[:, None])
    exits = np.tile(integers(ctx, "country", law.exits_permille).astype(np.uint64), (len(home), 1))
    pull = _pull(ctx, home)
    return Destinations(home, _tables(ctx, pull, away), _tables(ctx, exits, away), cities)


def _tables(ctx: Context, weight: Array, away: Array) -> AliasTables:
    """One table a row; a home whose every destination is its own goes anywhere."""
    weight = np.where(away, weight, np.uint64(0))
    lost = weight.sum(axis=1) == 0
    weight[lost] = away[lost]
    offsets = np.arange(len(weight) + 1, dtype=np.uint64) * np.uint64(weight.shape[1])
    return build_alias(ctx, offsets, weight.ravel())


def _pull(ctx: Context, home: Array) -> Array:
    """Pull of every country (column) on travellers of each home (row): uint64."""
    law, countries = ctx.params.ip_abroad_prior_6A, ctx.reference("countries")
    factor = np.array(
        [law.market.income_factor_permille[group] for group in countries.income_group], dtype=np.float64
    )
    people = power(ctx, countries.population.astype(np.float64), law.market.exponent)
    row = np.full(len(ctx.vocabulary("country")), -1, dtype=np.int64)
    row[countries.country_iso] = np.arange(len(countries))
    mine = row[home]
    pull = np.repeat((people * factor)[None, :], len(home), axis=0)
    for bond, column in (("subregion", "subregion"), ("region", "region"), ("language", "main_language")):
        shared = countries[column][mine][:, None] == countries[column][None, :]
        pull = pull * np.where(shared, np.float64(law.bonds[bond]), 1.0)
    codes = np.array(ctx.vocabulary("country"))[countries.country_iso]
    borders = np.array([np.isin(codes, text.split(",")) for text in countries.neighbours[mine].tolist()])
    pull = pull * np.where(borders.reshape(pull.shape), np.float64(law.bonds.border), 1.0)
    wide = np.zeros((len(home), len(row)), dtype=np.uint64)
    wide[:, countries.country_iso] = np.floor(pull).astype(np.uint64)
    return wide

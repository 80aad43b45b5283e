"""Cities in bands of population: a small table for checking the placement of all sites."""

from __future__ import annotations

import numpy as np

from sim.recipes.places import Cities
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

BANDS_NEEDS = Needs(config=("realism_gates_1B",))


def band_of_city(ctx: Context, cities: Frame) -> Array:
    """Band of each city (rows of the reference table, or with its column `population`): int64, 0 smallest."""
    bounds = np.sort(np.array(ctx.params.realism_gates_1B.city_size_mix.population_bounds, dtype=np.int64))
    band: Array = np.searchsorted(bounds, cities.population, side="right")
    return band


def band_shares(ctx: Context, cities: Cities) -> Array:
    """Probability that a site of a country lies in a city of each band: float64, countries x bands."""
    bands = len(ctx.params.realism_gates_1B.city_size_mix.population_bounds) + 1
    mass = np.zeros((len(ctx.vocabulary("country")), bands), dtype=np.uint64)
    np.add.at(mass, (cities.frame.country_iso, band_of_city(ctx, cities.frame)), cities.frame.weight)
    share: Array = mass.astype(np.float64) / np.maximum(mass.sum(axis=1), 1).astype(np.float64)[:, None]
    return share

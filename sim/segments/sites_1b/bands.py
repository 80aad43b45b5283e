"""Cities in bands of population: a small table for checking the placement of all sites."""

from __future__ import annotations

import numpy as np

from sim.recipes.places import Cities
from sim.recipes.weights import POWER_NEEDS, power
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

BANDS_NEEDS = Needs(config=("placement_policy_1B", "realism_gates_1B"), uses=(POWER_NEEDS,))


def band_of_city(ctx: Context, cities: Cities) -> Array:
    """Band of each city row: int64, 0 for the smallest."""
    bounds = np.sort(np.array(ctx.params.realism_gates_1B.city_size_mix.population_bounds, dtype=np.int64))
    band: Array = np.searchsorted(bounds, cities.frame.population, side="right")
    return band


def band_shares(ctx: Context, cities: Cities) -> Array:
    """Probability that a site of a country lies in a city of each band: float64, countries x bands."""
    weight = power(
        ctx, cities.frame.population.astype(np.float64), ctx.params.placement_policy_1B.population_exponent
    )
    bands = len(ctx.params.realism_gates_1B.city_size_mix.population_bounds) + 1
    mass = np.zeros((len(ctx.vocabulary("country")), bands), dtype=np.int64)
    np.add.at(
        mass,
        (cities.frame.country_iso, band_of_city(ctx, cities)),
        np.floor(weight * 65536.0).astype(np.int64),
    )
    share: Array = mass.astype(np.float64) / np.maximum(mass.sum(axis=1), 1).astype(np.float64)[:, None]
    return share

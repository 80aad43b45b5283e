"""Size of each country's card market, and the pull of each country on chains at home in another.

The market is the one measure of how large a country is: merchants, chains abroad, online customers and the
gates on demand all follow it.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.weights import POWER_NEEDS, power
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params

MARKET_NEEDS = Needs(reference=("countries",), uses=(POWER_NEEDS,))


def market_size(ctx: Context, market: Params) -> Array:
    """Card market of each country: population ** exponent x factor of its income group.

    Args:
        ctx: Context.
        market: `population_exponent`, `income_factor_permille` by income group.

    Returns:
        uint64, one a country code, below 2**41 for exponents up to 1.
    """
    countries = ctx.reference("countries")
    people = power(ctx, countries.population.astype(np.float64), market.population_exponent)
    factor = np.array(
        [market.income_factor_permille[group] for group in countries.income_group], dtype=np.float64
    )
    return np.floor(people * factor).astype(np.uint64)


def affinity(ctx: Context, size: Array, bonds: Params) -> Array:
    """Pull of each country (column) on a chain at home in another (row).

    It is the market size times a factor for every bond the two share.

    Args:
        ctx: Context.
        size: uint64, c: `market_size`.
        bonds: Factor of a common border, sub-region, region, language, currency.

    Returns:
        uint64, c x c; 0 on the diagonal.
    """
    countries = ctx.reference("countries")
    pull = np.repeat(size.astype(np.float64)[None, :], len(countries), axis=0)
    for bond, column in (
        ("subregion", "subregion"),
        ("region", "region"),
        ("language", "main_language"),
        ("currency", "currency"),
    ):
        shared = countries[column][:, None] == countries[column][None, :]
        pull = pull * np.where(shared, np.float64(bonds[bond]), 1.0)
    pull = pull * np.where(_borders(ctx), np.float64(bonds.border), 1.0)
    np.fill_diagonal(pull, 0.0)
    return np.floor(pull).astype(np.uint64)


def _borders(ctx: Context) -> Array:
    codes = ctx.vocabulary("country")
    listed = [frozenset(text.split(",")) for text in ctx.reference("countries").neighbours]
    return np.array([[other in neighbours for other in codes] for neighbours in listed], dtype=np.bool_)

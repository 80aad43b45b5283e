"""The law of where an online merchant's customers live, for each home country and reach.

    share(c | home, reach) = floor_r * [c = home] + (1 - floor_r) * w(c) / sum w
    w(c) = market size x share of people online  x  affinity(home, c) ** b_r

affinity is the product of a factor for each bond between the countries; a reach excludes countries without
any of the bonds it requires, and countries outside the world. An edge's country is drawn from share **
breadth (renormalised). The edge's weight is multiplied by share over that probability (importance weighting),
so rare countries do occur and have the right weight on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.tables import ALIAS_BUILD_NEEDS, AliasTables, build_alias
from sim.recipes.weights import POWER_NEEDS, WEIGHT_BITS, power
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

_DRAW_BITS = 50

COUNTRIES_NEEDS = Needs(
    reads={"world_markets_1A": ROW_LEVEL},
    config=("edge_policy_3B",),
    reference=("countries",),
    uses=(ALIAS_BUILD_NEEDS, POWER_NEEDS),
)


@dataclass(frozen=True)
class CountryLaw:
    """One cell a (reach, home country), cell = reach * countries + home; one row a (cell, served country).

    Attributes:
        countries: Number of countries.
        share_q: uint64, cells x countries: floor(share * 2**40).
        tables: Alias tables of the draw, one a cell, over the flattened rows.
        weight: float64, cells * countries: share over draw probability, up to a constant of the cell.
    """

    countries: int
    share_q: Array
    tables: AliasTables
    weight: Array


def country_law(ctx: Context) -> CountryLaw:
    """The law for every home country and reach.

    Args:
        ctx: Context.
    """
    policy = ctx.params.edge_policy_3B
    relations = country_relations(ctx)
    home = relations["home"]
    countries = len(home)
    affinity = np.ones((countries, countries))
    for name, factor in policy.affinity.items():
        affinity = np.where(relations[name], affinity * np.float64(factor), affinity)
    markets = ctx.load("world_markets_1A", columns=("country_iso", "market_size"))
    world = np.zeros(countries, dtype=np.bool_)
    world[markets.country_iso] = True
    size = _online_size(ctx, markets)
    shares = np.empty((len(ctx.vocabulary("virtual_reach")), countries, countries))
    for name, reach in policy.reach.items():
        drawn = (
            power(ctx, affinity.ravel(), reach.affinity_exponent).reshape(countries, countries)
            * size[None, :]
        )
        inside = relations[reach.scope[0]]
        for relation in reach.scope[1:]:
            inside = inside | relations[relation]
        # A country outside the world has no customers. Its own row is home alone: nobody draws from it.
        drawn = np.where((inside & world[None, :]) | home, drawn, 0.0)
        # Integers before the cross-row sum: no float is ever added across rows.
        units = np.floor(drawn / drawn.max(axis=1, keepdims=True) * 2.0**WEIGHT_BITS).astype(np.uint64)
        split = units.astype(np.float64) / units.sum(axis=1, keepdims=True).astype(np.float64)
        floor = np.float64(reach.home_floor)
        shares[ctx.code("virtual_reach", name)] = (1.0 - floor) * split + np.where(home, floor, 0.0)
    flat = shares.ravel()
    draw = power(ctx, flat, policy.country_breadth)
    cells = len(flat) // countries
    offsets = np.arange(cells + 1, dtype=np.uint64) * np.uint64(countries)
    tables = build_alias(ctx, offsets, np.floor(draw * 2.0**_DRAW_BITS).astype(np.uint64))
    share_q = np.floor(flat * 2.0**WEIGHT_BITS).astype(np.uint64).reshape(cells, countries)
    # Countries of share 0 are never drawn; 1 stands in for them, since 0 ** 0 has no logarithm.
    return CountryLaw(
        countries, share_q, tables, power(ctx, np.where(flat > 0.0, flat, 1.0), 1.0 - policy.country_breadth)
    )


def country_relations(ctx: Context) -> dict[str, Array]:
    """What two countries have in common: name -> symmetric bool matrix, countries x countries."""
    table = ctx.reference("countries")
    count = len(ctx.vocabulary("country"))
    neighbour = np.zeros((count, count), dtype=np.bool_)
    for row, names in enumerate(table.neighbours.tolist()):
        neighbour[row, [ctx.code("country", name) for name in names.split(",") if name]] = True
    same = {name: table[column][:, None] == table[column][None, :] for name, column in _SAME.items()}
    return {
        "home": np.eye(count, dtype=np.bool_),
        "neighbour": neighbour | neighbour.T,
        "everywhere": np.ones((count, count), dtype=np.bool_),
        **same,
    }


_SAME = {
    "same_subregion": "subregion",
    "same_region": "region",
    "same_language": "main_language",
    "same_currency": "currency",
}


def _online_size(ctx: Context, markets: Frame) -> Array:
    """Online demand of each country of the world before affinity, float64: 1 elsewhere.

    It is the card market (people x income, the one measure of the world's demand) of the people online.
    """
    table = ctx.reference("countries")
    online = np.zeros(len(ctx.vocabulary("country")))
    online[table.country_iso] = table.online_share_permille.astype(np.float64) / 1000.0
    size = np.ones(len(online))
    size[markets.country_iso] = markets.market_size.astype(np.float64)
    return size * online

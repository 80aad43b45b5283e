"""Which countries a request's world has, how many metros, and how many people live there."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.model.inputs.merchants import MERCHANTS_INPUT
from sim.state.frames import Array
from sim.state.inputs import Inputs
from sim.state.model import Facts


def most_parties(facts: Facts, countries: Array) -> int:
    """Most customers that countries (codes) have people for; 6A.S1 gives a world no more."""
    table = facts.reference.frame("countries", facts.vocabularies)
    permille = int(facts.params["population_prior_6A"].parties_per_inhabitant_max_permille)
    people = table.population[np.isin(table.country_iso, countries)].astype(np.int64)
    return int((people * permille // 1000).sum())


def market_sizes(facts: Facts) -> Array:
    """Card market of each country code: float64."""
    table = facts.reference.frame("countries", facts.vocabularies)
    market = facts.params["merchant_universe_1A"].country_market
    size = np.zeros(len(facts.vocabularies["country"]))
    size[table.country_iso] = table.population.astype(np.float64) ** market.population_exponent * np.array(
        [market.income_factor_permille[group] for group in table.income_group], dtype=np.float64
    )
    return size


def eligible_sizes(facts: Facts) -> Array:
    """Card market of each country code that a world may choose, 0 of the others: float64."""
    policy, size = facts.params["footprint_policy_1A"], market_sizes(facts)
    size[[name in policy.excluded_markets for name in facts.vocabularies["country"]]] = 0.0
    size[size * 1e6 < policy.least_market_share_ppm * size.sum()] = 0.0
    return size


def expected_homes(facts: Facts) -> Array:
    """Expected share of the generated merchants at home in each country code: float64.

    That is its market times its chance to be in the world's sample, which is systematic, in proportion to
    the markets, with the large ones for certain.
    """
    size, left = eligible_sizes(facts), int(facts.params["footprint_policy_1A"].countries)
    chance = np.where(size > 0.0, 1.0, 0.0)
    pool = np.flatnonzero(size)
    while left < len(pool):
        odds = left * size[pool] / size[pool].sum()
        certain = odds >= 1.0
        chance[pool] = np.minimum(odds, 1.0)
        if not certain.any():
            break
        left, pool = left - int(np.count_nonzero(certain)), pool[~certain]
    homes: Array = size * chance / (size * chance).sum()
    return homes


def drawn_places(facts: Facts, rows: Inputs) -> dict[str, Any]:
    """Countries and metros that a run of this request has; `rows` are those of 1A.S1."""
    markets, footprint = rows.load("world_markets_1A"), rows.load("world_footprint_1A")
    metro = facts.vocabularies["place_kind"].index("METRO")
    largest = markets.country_iso[np.argsort(-markets.market_size.astype(np.float64), kind="stable")]
    return {
        "countries": len(markets),
        "metros": int(np.count_nonzero(footprint.place_kind == metro)),
        "where": [facts.vocabularies["country"][code] for code in largest.tolist()],
    }


def expected_places(facts: Facts) -> dict[str, Any]:
    """The most likely countries and metros; `sim.segments.merchants_1a.countries` has the law itself.

    Metros that the user's merchants name beyond those of the policy are left out.
    """
    policy, universe = facts.params["footprint_policy_1A"], facts.params["merchant_universe_1A"]
    names, size = facts.vocabularies["country"], market_sizes(facts)
    rows = facts.externals.get(MERCHANTS_INPUT)
    given = np.zeros(len(names), dtype=np.bool_)
    metros = int(policy.metros)
    if rows is not None:
        given[rows.country] = True
        given[rows.outlet_country[rows.present("outlet_country")]] = True
    chosen = 0
    if rows is None or universe.when_supplied != "replace":
        own = eligible_sizes(facts)
        eligible = np.flatnonzero(own)
        largest = eligible[np.argsort(-own[eligible], kind="stable")]
        chosen = min(int(policy.countries), len(largest))
        given[largest[:chosen]] = True
    else:
        many = min(len(np.unique(rows.merchant_id)), int(policy.made_for_merchants))
        metros = -(-metros * many // int(policy.made_for_merchants))
    cities = facts.reference.frame("cities", facts.vocabularies)
    seats = (cities.city_id == cities.metro_id) & (cities.population >= policy.metro_least_population)
    there = np.maximum(np.bincount(cities.country_iso[seats], minlength=len(names)), 1)[given]
    share = size[given] / size[given].sum()
    wanted = 1.0 + max(0, metros - len(there)) * share
    return {
        "countries": int(np.count_nonzero(given)),
        "metros": round(float(np.minimum(wanted, there).sum())),
        "where": [names[code] for code in np.argsort(-size, kind="stable").tolist() if given[code]],
    }

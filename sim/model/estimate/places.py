"""How many countries and metros a request's world has, by its policy alone."""

from __future__ import annotations

import numpy as np

from sim.model.inputs.merchants import MERCHANTS_INPUT
from sim.state.model import Facts


def expected_places(facts: Facts) -> dict[str, int]:
    """Countries and metros of the world; `sim.segments.merchants_1a.countries` has the law itself.

    Metros that the user's merchants name beyond those of the policy are left out.
    """
    policy, universe = facts.params["footprint_policy_1A"], facts.params["merchant_universe_1A"]
    names = facts.vocabularies["country"]
    table = facts.reference.frame("countries", facts.vocabularies)
    market = universe.country_market
    size = np.zeros(len(names))
    size[table.country_iso] = table.population.astype(np.float64) ** market.population_exponent * np.array(
        [market.income_factor_permille[group] for group in table.income_group], dtype=np.float64
    )
    rows = facts.externals.get(MERCHANTS_INPUT)
    given = np.zeros(len(names), dtype=np.bool_)
    metros = int(policy.metros)
    if rows is not None:
        given[rows.country] = True
        given[rows.outlet_country[rows.present("outlet_country")]] = True
    chosen = 0
    if rows is None or universe.when_supplied != "replace":
        open_to = np.array([name not in policy.excluded_markets for name in names])
        share = np.where(open_to, size, 0.0) / size[open_to].sum()
        eligible = np.flatnonzero((share > 0.0) & (share * 1e6 >= policy.least_market_share_ppm))
        largest = eligible[np.argsort(-size[eligible], kind="stable")]
        chosen = min(int(policy.countries), len(largest))
        given[largest[:chosen]] = True
    else:
        own = min(len(np.unique(rows.merchant_id)), int(policy.made_for_merchants))
        metros = -(-metros * own // int(policy.made_for_merchants))
    cities = facts.reference.frame("cities", facts.vocabularies)
    seats = (cities.city_id == cities.metro_id) & (cities.population >= policy.metro_least_population)
    there = np.maximum(np.bincount(cities.country_iso[seats], minlength=len(names)), 1)[given]
    share = size[given] / size[given].sum()
    wanted = 1.0 + max(0, metros - len(there)) * share
    return {
        "countries": int(np.count_nonzero(given)),
        "metros": round(float(np.minimum(wanted, there).sum())),
    }

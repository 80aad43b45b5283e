"""A world's volumes as they will be: read from the states up to the demand profile, computed in memory.

Sizes have tails so heavy that even thousands of merchants are seldom near their mean, but everything about
them is a function of its address: what a run will draw can be drawn now, in a second or two. Only worlds of
very many merchants are estimated by the mean (`volumes`).
"""

from __future__ import annotations

import numpy as np

from sim.model.estimate.days import DemandDays, demand_days
from sim.model.estimate.places import most_parties
from sim.model.estimate.volumes import Volumes
from sim.model.inputs.merchants import MERCHANTS_INPUT
from sim.recipes.horizon import life_span
from sim.recipes.join import look_up
from sim.recipes.life import LIFE, lived_days
from sim.recipes.supplied import replaced
from sim.state.frames import Array, Frame
from sim.state.inputs import Inputs
from sim.state.model import Facts, Rehearse

PROFILE = "merchant_zone_profile_5A"
MOST_MERCHANTS = 100_000
_CELLS_AT_ONCE = 1 << 22


def may_be_drawn(facts: Facts) -> bool:
    """Whether a world has few enough merchants and outlets to draw them in a few seconds."""
    supplied, universe = facts.externals.get(MERCHANTS_INPUT), facts.params["merchant_universe_1A"]
    alone = supplied is not None and universe.when_supplied == "replace"
    rows = 0 if supplied is None else len(supplied)
    return rows + (0 if alone else int(universe.merchants)) <= MOST_MERCHANTS


def drawn_rows(rehearse: Rehearse) -> Inputs:
    """Rows of the states that decide how many arrivals are expected, as a run would publish them.

    Raises:
        SimError: Whatever one of these states would refuse in a run.
    """
    return rehearse(PROFILE, LIFE)


def drawn_volumes(facts: Facts, rows: Inputs) -> Volumes:
    """Figures of the merchants a run of this request has; `rows` are `drawn_rows`."""
    profile, mcc = rows.load(PROFILE), _mccs(rows)
    lives = rows.load(LIFE)
    countries = np.unique(profile.legal_country_iso)
    totals = []
    for scenario in facts.scenarios:
        days = demand_days(facts, scenario, countries)
        many = max(1, _CELLS_AT_ONCE // len(days.days))
        totals.append(
            sum(
                _arrivals(facts, days, profile.slice(first, first + many), lives, mcc)
                for first in range(0, len(profile), many)
            )
        )
    return Volumes(
        merchants=len(lives),
        outlets=float(len(rows.load("outlet_catalogue"))),
        keys=float(len(profile)),
        weekly=float(np.sum(profile.weekly_volume_expected)),
        arrivals=float(np.mean(totals)),
        people=most_parties(facts, countries),
    )


def _mccs(rows: Inputs) -> Array:
    """MCC whose law each merchant of the catalogue has: uint16."""
    merchants = rows.load("merchant_catalogue_1A")
    return replaced(merchants.merchant_id, merchants.mcc, rows.load("merchant_supplied_1A"), "law_mcc")


def _arrivals(facts: Facts, days: DemandDays, keys: Frame, lives: Frame, mcc: Array) -> float:
    """Expected arrivals of some keys over the horizon; `lives` and `mcc` are by merchant of the catalogue."""
    merchant = look_up(lives.merchant_id, keys.merchant_id)
    law = facts.params["merchant_life_5A"]
    first_day = life_span(facts.params["scenario_horizon_5A"]).first_day
    weeks = days.weeks(
        keys.demand_class,
        keys.channel_group,
        np.searchsorted(days.mccs, mcc[merchant]),
        np.searchsorted(days.countries, keys.legal_country_iso),
        lived_days(lives.take(merchant), days.days, law, first_day),
    )
    return float((keys.weekly_volume_expected * weeks).sum())

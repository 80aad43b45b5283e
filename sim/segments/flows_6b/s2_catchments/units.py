"""Units: sites, and online merchants in each metro where they sell; their class, volume and members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets, sum_by_run
from sim.recipes.horizon import life_span
from sim.recipes.join import look_up
from sim.segments.flows_6b.clientele import (
    CLIENTELE_NEEDS,
    LAW,
    TRADES_NEEDS,
    VISIT_DAYS,
    Clientele,
    clientele,
    trades,
)
from sim.segments.flows_6b.metros import METROS_NEEDS, Metros
from sim.segments.flows_6b.s2_catchments.demand import DEMAND_NEEDS, UNIT, WEEK, Weeks, open_weeks, places
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame, concat

UNITS_NEEDS = Needs(
    config=(LAW, "scenario_horizon_5A"),
    uses=(CLIENTELE_NEEDS, DEMAND_NEEDS, METROS_NEEDS, TRADES_NEEDS),
)


@dataclass(frozen=True)
class Places:
    """Sites and edges as places that have demand, and the units they make up.

    Attributes:
        frame: One row a place, sites first: `merchant_id`, `country_iso`, `key`, `share` of its demand, and
            `open_share`, the part of the horizon in which its merchant is open.
        site_id: uint64, one a site.
        edge_id: uint64, one an edge.
        lat_deg: float64, one a site.
        lon_deg: float64, one a site.
        unit: int64: unit of each place.
        units: Rows of `units_6B` but for zones.
        metro: int64, one a unit.
    """

    frame: Frame
    site_id: Array
    edge_id: Array
    lat_deg: Array
    lon_deg: Array
    unit: Array
    units: Frame
    metro: Array


def places_of(ctx: Context, week: Weeks, every: Metros, parties: Array) -> Places:
    """All places and units.

    Args:
        ctx: Context.
        week: Ordinary weeks of keys.
        every: Metros.
        parties: int64: parties that each metro's units draw from.
    """
    sites, edges = places(ctx)
    both = concat(
        [frame.select("merchant_id", "country_iso", "city_id", "key", "share") for frame in (sites, edges)]
    )
    metro = every.of(both.city_id)
    online = np.arange(len(both)) >= len(sites)
    lasts = open_weeks(ctx)
    weeks_open = lasts.weeks[look_up(lasts.merchant_id, both.merchant_id)]
    ordinary, again = _volumes(both, online, week, weeks_open)
    # Online places of one merchant and metro are one unit; sites stand in their own order before them.
    order = np.lexsort((metro[online], both.merchant_id[online])) + len(sites)
    offsets = run_offsets(both.merchant_id[order], metro[order])
    unit = np.empty(len(both), dtype=np.int64)
    unit[: len(sites)] = np.arange(len(sites))
    unit[order] = run_of_row(offsets) + len(sites)
    first = np.concatenate((np.arange(len(sites)), order[offsets[:-1].astype(np.int64)]))
    volume = [
        np.concatenate((mass[: len(sites)], sum_by_run(mass[order], offsets))) for mass in (ordinary, again)
    ]
    kinds = trades(ctx)
    merchant = look_up(kinds.merchant_id, both.merchant_id[first])
    code = np.where(online[first], kinds.online_class[merchant], kinds.site_class[merchant])
    laws = clientele(ctx)
    units = Frame(
        {
            "unit_no": np.arange(len(first), dtype=np.uint32),
            "merchant_id": both.merchant_id[first],
            "site_id": np.concatenate((sites.site_id, np.zeros(len(first) - len(sites), dtype=np.uint64))),
            "country_iso": both.country_iso[first],
            "metro_id": every.metro_id[metro[first]],
            "clientele_class": code,
            "expected_arrivals": (volume[0] + volume[1]).astype(np.float64) / UNIT,
            "recurring_arrivals": volume[1].astype(np.float64) / UNIT,
            "slots": _slots(ctx, laws, code, _daily(volume[0], weeks_open[first]), parties[metro[first]]),
            "strata_slots": _strata(_daily(volume[1], weeks_open[first])),
        },
        {"site_id": ~online[first]},
    )
    days = life_span(ctx.params.scenario_horizon_5A).days
    frame = both.select("merchant_id", "country_iso", "key", "share").with_columns(
        open_share=weeks_open * WEEK / np.float64(days)
    )
    return Places(
        frame, sites.site_id, edges.edge_id, sites.lat_deg, sites.lon_deg, unit, units, metro[first]
    )


def _volumes(both: Frame, online: Array, week: Weeks, weeks_open: Array) -> tuple[Array, Array]:
    """Of each place over the horizon, what customers start and what merchants do: uint64, 2**-20."""
    key = np.maximum(both.key, 0)
    a_week = np.where(online, week.online.sum(axis=1)[key], week.sites.sum(axis=1)[key])
    again = np.where(online, week.recurring[key], np.uint64(0))
    factor = np.where(both.key >= 0, both.share * weeks_open, 0.0)
    ordinary, recurring = (
        np.floor(mass.astype(np.float64) * factor).astype(np.uint64) for mass in (a_week, again)
    )
    return ordinary, recurring


def _daily(volume: Array, weeks_open: Array) -> Array:
    """Arrivals a day that a unit is open, float64: what its members make of it has no horizon."""
    found: Array = volume.astype(np.float64) / UNIT / np.maximum(weeks_open * WEEK, 1.0)
    return found


def _slots(ctx: Context, laws: Clientele, code: Array, daily: Array, parties: Array) -> Array:
    """Members of each unit: so many that a regular's visits are those of its class: uint32."""
    law = ctx.params.clientele_law_6B
    large = np.where(parties > int(law.large_metro.parties), float(law.large_metro.visits), 1.0)
    regular = (1.0 - laws.occasional[code]) * (1.0 - laws.visitors[code])
    members = np.ceil(daily * VISIT_DAYS * regular / (laws.visits[code] * large))
    found: Array = np.clip(members, int(law.members.least), 2.0**31).astype(np.uint32)
    return found


def _strata(bills: Array) -> Array:
    """Members billed on one day of the month: ceil(l + sqrt(l)) of l bills expected a day: uint16.

    Some nights have more bills than l, and nobody is billed twice; what is left goes to new customers.
    """
    found: Array = np.minimum(np.ceil(bills + np.sqrt(bills)), 65535.0).astype(np.uint16)
    return found

"""What places may expect: 5A's weekly volumes, split over sites and edges; no arrivals that were counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets, sum_by_run
from sim.recipes.horizon import life_span
from sim.recipes.join import look_up, match
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

PROFILE, LIFE, BASELINE = "merchant_zone_profile_5A", "s7_merchant_life_5A", "merchant_zone_baseline_local_5A"
WEIGHTS, LOCATIONS, EDGES = "s1_site_weights_2B", "site_locations", "edge_catalogue_3B"
HOURS = 168
UNIT = np.float64(1 << 20)
"""Demand is added up in 2**-20 arrivals."""
WEEK = 7.0

DEMAND_NEEDS = Needs(
    reads={
        PROFILE: ROW_LEVEL,
        LIFE: ROW_LEVEL,
        BASELINE: ROW_LEVEL,
        WEIGHTS: ROW_LEVEL,
        LOCATIONS: ROW_LEVEL,
        EDGES: ROW_LEVEL,
    },
    config=("scenario_horizon_5A",),
)


@dataclass(frozen=True)
class Weeks:
    """Demand of each key of merchant_zone_profile_5A in an ordinary local week, in 2**-20 arrivals an hour.

    Attributes:
        sites: uint64, keys x 168: at sites.
        online: uint64, keys x 168: at edges, started by the customer.
        recurring: uint64, keys: a week of what the merchant starts.
    """

    sites: Array
    online: Array
    recurring: Array


def weeks(ctx: Context, keys: int) -> Weeks:
    """Ordinary weeks of all keys, read file by file."""
    found = Weeks(
        np.zeros((keys, HOURS), dtype=np.uint64),
        np.zeros((keys, HOURS), dtype=np.uint64),
        np.zeros(keys, dtype=np.uint64),
    )
    first = 0
    for part in range(len(ctx.files(BASELINE))):
        rows = ctx.load(
            BASELINE, part=part, columns=("lambda_local_base", "virtual_share", "recurring_share")
        )
        stop = first + len(rows) // HOURS
        rate = rows.lambda_local_base * UNIT
        at_sites = np.floor(rate * (1.0 - rows.virtual_share)).astype(np.uint64)
        online = np.floor(rate * (rows.virtual_share - rows.recurring_share)).astype(np.uint64)
        again = np.floor(rate * rows.recurring_share).astype(np.uint64)
        found.sites[first:stop] = at_sites.reshape(-1, HOURS)
        found.online[first:stop] = online.reshape(-1, HOURS)
        found.recurring[first:stop] = again.reshape(-1, HOURS).sum(axis=1)
        first = stop
    return found


def open_weeks(ctx: Context) -> Frame:
    """Weeks of the horizon in which each merchant is open: `merchant_id`, `weeks` (float64)."""
    horizon = life_span(ctx.params.scenario_horizon_5A)
    low, high = horizon.first_day, horizon.first_day + horizon.days
    life = ctx.load(LIFE, columns=("merchant_id", "opened_date", "closed_date"))
    begin = np.where(life.present("opened_date"), life.opened_date, np.int32(low))
    stop = np.where(life.present("closed_date"), life.closed_date, np.int32(high))
    days = np.clip(stop, low, high).astype(np.int64) - np.clip(begin, low, high)
    return Frame({"merchant_id": life.merchant_id, "weeks": np.maximum(days, 0).astype(np.float64) / WEEK})


def whole_demand(ctx: Context, week: Weeks) -> int:
    """What all keys expect over the horizon, in 2**-20 arrivals: `Weeks` times the weeks they are open."""
    owner = ctx.load(PROFILE, columns=("merchant_id",)).merchant_id
    lasts = open_weeks(ctx)
    a_week = week.sites.sum(axis=1) + week.online.sum(axis=1) + week.recurring
    over = a_week.astype(np.float64) * lasts.weeks[look_up(lasts.merchant_id, owner)]
    return int(np.floor(over).astype(np.uint64).sum())


def places(ctx: Context) -> tuple[Frame, Frame]:
    """Sites and edges with the key that feeds them and their share of it.

    Returns:
        Sites: `merchant_id`, `site_id`, `country_iso`, `city_id`, `lat_deg`, `lon_deg`, `key` (int64, -1 for
        none), `share`. Edges: `merchant_id`, `edge_id`, `country_iso`, `city_id`, `key`, `share`. Shares are
        those of a key's demand, of which the weights of 2B and 3B give parts of the whole merchant.
    """
    keys = ctx.load(PROFILE, columns=("merchant_id", "legal_country_iso", "tzid"))
    code = _codes(keys.merchant_id, keys.merchant_id, keys.legal_country_iso, keys.tzid)
    split = ctx.load(WEIGHTS, columns=("merchant_id", "legal_country_iso", "site_id", "tzid", "weight_q"))
    where = ctx.load(LOCATIONS, columns=("site_id", "city_id", "lat_deg", "lon_deg"))
    where = where.take(np.argsort(where.site_id, kind="stable"))
    at, known = match(where.site_id, split.site_id)
    if not known.all():
        raise ValueError("a site without a location (a bug in 1B or 2B)")
    wanted = _codes(keys.merchant_id, split.merchant_id, split.legal_country_iso, split.tzid)
    sites = Frame(
        {
            "merchant_id": split.merchant_id,
            "site_id": split.site_id,
            "country_iso": split.legal_country_iso,
            **dict(where.select("city_id", "lat_deg", "lon_deg").take(at).items()),
            "key": _row_of(code, wanted),
            "share": _share_of_key(wanted, split.weight_q),
        }
    )
    rows = ctx.load(EDGES, columns=("merchant_id", "country_iso", "tzid", "edge_id", "city_id", "weight_q"))
    wanted = _codes(keys.merchant_id, rows.merchant_id, rows.country_iso, rows.tzid)
    edges = Frame(
        {
            "merchant_id": rows.merchant_id,
            "edge_id": rows.edge_id,
            "country_iso": rows.country_iso,
            "city_id": rows.city_id,
            "key": _row_of(code, wanted),
            "share": _share_of_key(wanted, rows.weight_q),
        }
    )
    return sites, edges


def _codes(known: Array, merchant_id: Array, country: Array, zone: Array) -> Array:
    """One number a (merchant, country, zone): uint64; merchants by their place among `known` (ascending)."""
    place = np.searchsorted(known, merchant_id).astype(np.uint64)
    return (place << np.uint64(32)) | (country.astype(np.uint64) << np.uint64(16)) | zone.astype(np.uint64)


def _share_of_key(key: Array, weight_q: Array) -> Array:
    """Part of its key's weight that each row has: float64; weights of a merchant sum to 2**40."""
    order = np.argsort(key, kind="stable")
    offsets = run_offsets(key[order])
    total = np.empty(len(key), dtype=np.float64)
    total[order] = sum_by_run(weight_q[order], offsets).astype(np.float64)[run_of_row(offsets)]
    found: Array = weight_q.astype(np.float64) / total
    return found


def _row_of(code: Array, wanted: Array) -> Array:
    order = np.argsort(code, kind="stable")
    at, known = match(code[order], wanted)
    found: Array = np.where(known, order[at], -1) if len(order) else np.full(len(wanted), -1)
    return found

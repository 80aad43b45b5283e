"""Where a key's demand is served: its main metro, and how many outlets its merchant has.

A key is a merchant's demand in one country and time zone, and noise is a key's: so it has one metro, that
with the largest weight among the places that serve the larger part of it. A key of many metros would feel
their mean, which moves less; giving it its main metro errs on the side of noise, and only for chains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.join import look_up, match
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame, concat
from sim.state.refuse import refuse

METROS_NEEDS = Needs(
    reads={"edge_catalogue_3B": ROW_LEVEL, "s1_site_weights_2B": ROW_LEVEL, "site_locations": ROW_LEVEL},
    reference=("cities",),
)

_SITE = ("merchant_id", "legal_country_iso", "site_order", "site_id")


@dataclass(frozen=True)
class Places:
    """Sites and edges of all merchants.

    Attributes:
        rows: merchant_id, country, tzid, metro_id, weight_q, online (bool).
    """

    rows: Frame

    def outlets(self, merchant_id: Array) -> Array:
        """Sites and edges of the merchants of some rows: uint32, at least 1."""
        merchants, count = np.unique(self.rows.merchant_id, return_counts=True)
        return count[look_up(merchants, merchant_id)].astype(np.uint32)


def places_of(ctx: Context) -> Places:
    """Every site and edge with its metro.

    Raises:
        ValidationError: `5B.S1.SITES_DISAGREE`: 1B and 2B do not hold the same sites.
    """
    site = ctx.load("s1_site_weights_2B", columns=(*_SITE, "tzid", "weight_q"))
    where = ctx.load("site_locations", columns=(*_SITE, "city_id"))
    if any(not np.array_equal(site[name], where[name]) for name in _SITE):
        refuse(
            ctx,
            "SITES_DISAGREE",
            "site_locations and s1_site_weights_2B do not hold the same sites",
            found=f"{len(where)} sites with a place, {len(site)} with a weight",
            expected="the same sites in the same order",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 2B.S1",
            error=ValidationError,
        )
    edge = ctx.load(
        "edge_catalogue_3B", columns=("merchant_id", "country_iso", "tzid", "city_id", "weight_q")
    )
    cities = ctx.reference("cities").sort("city_id")
    sides = []
    for rows, country, city, online in (
        (site, site.legal_country_iso, where.city_id, False),
        (edge, edge.country_iso, edge.city_id, True),
    ):
        sides.append(
            Frame(
                {
                    "merchant_id": rows.merchant_id,
                    "country": country,
                    "tzid": rows.tzid,
                    "metro_id": cities.metro_id[look_up(cities.city_id, city)],
                    "weight_q": rows.weight_q,
                    "online": np.full(len(rows), online),
                }
            )
        )
    return Places(concat(sides))


def main_metro(ctx: Context, keys: Frame, online: Array, places: Places) -> Array:
    """Metro with the largest weight among the places of each key: uint32; of equals the smaller id.

    Args:
        ctx: Context.
        keys: Key columns.
        online: bool: whether edges serve the larger part of the key.
        places: Sites and edges.

    Raises:
        ValidationError: `5B.S1.PLACE_MISSING`: a key has no place of its kind.
    """
    merchants = np.unique(np.concatenate([keys.merchant_id, places.rows.merchant_id]))

    def code(merchant: Array, country: Array, tzid: Array, virtual: Array) -> Array:
        rank = np.searchsorted(merchants, merchant).astype(np.uint64)
        packed = (rank << np.uint64(31)) | (country.astype(np.uint64) << np.uint64(16))
        return ((packed | tzid.astype(np.uint64)) << np.uint64(1)) | virtual

    rows = places.rows
    group = code(rows.merchant_id, rows.country, rows.tzid, rows.online)
    order = np.lexsort((rows.metro_id, group))
    group, metro = group[order], rows.metro_id[order]
    runs = run_offsets(group, metro)
    weight = sum_by_run(rows.weight_q[order], runs)
    head = runs[:-1].astype(np.int64)
    group, metro = group[head], metro[head]
    best = np.lexsort((metro, ~weight, group))  # the heaviest first
    group, metro = group[best], metro[best]
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))[: len(group)]
    wanted = code(keys.merchant_id, keys.legal_country_iso, keys.tzid, online)
    place, found = match(group[first], wanted)
    if not found.all():
        refuse(
            ctx,
            "PLACE_MISSING",
            "demand of a country and time zone has no place that could serve it",
            found=f"{int((~found).sum())} of {len(keys)} keys",
            expected="a site, or an edge where most of the key is online",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 5A.S1",
            error=ValidationError,
        )
    chosen: Array = metro[first][place].astype(np.uint32)
    return chosen

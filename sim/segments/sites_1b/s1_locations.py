"""1B.S1: where each outlet is - a place of the world in its country, and a point on the city's disk.

Outlets for which the user gave coordinates keep them; their city is the nearest of their country.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.join import look_up
from sim.recipes.land import LAND_NEEDS, LandCounts, count_at_sea, enter, land_checks, landed
from sim.recipes.nearest import given_places, nearest_cities
from sim.recipes.places import DISK_NEEDS, MICRO, PLACES_NEEDS, Cities, country_letters, world_places
from sim.recipes.sampling import fixed, from_fixed, sampling_check
from sim.recipes.statement import statement_text
from sim.recipes.tables import ALIAS_PICK_NEEDS
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.sites_1b.bands import BANDS_NEEDS, band_of_city, band_shares
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """Sites out of place, and sites whose place was drawn."""

    beyond_city = Scalar()
    foreign_city = Scalar()
    outside_world = Scalar()
    rows_drawn = Scalar()
    drawn_by_country = Vector("country")
    drawn_by_band = Vector(lambda ctx: len(ctx.params.realism_gates_1B.city_size_mix.population_bounds) + 1)


AGAIN = "1B.site_place_again"
_STATEMENT_LETTERS = 13

STATE = State(
    id="1B.S1",
    title="Site locations",
    reads={"outlet_catalogue": ROW_LEVEL, "world_footprint_1A": ROW_LEVEL},
    writes=("site_locations",),
    config=("placement_policy_1B", "realism_gates_1B"),
    streams=("1B.site_city", "1B.site_place", AGAIN),
    counts=(Counts, LandCounts),
    reference=("cities",),
    external=("merchants_input_1A",),
    uses=(ALIAS_PICK_NEEDS, BANDS_NEEDS, DISK_NEEDS, LAND_NEEDS, PLACES_NEEDS, WORDS_NEEDS),
)

_KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")


def preflight(ctx: Context) -> None:
    """Refuse coordinates of the user that are far from every city of their country."""
    rows = ctx.external("merchants_input_1A")
    if rows is None or not rows.present("lat_udeg").any():
        return
    outlets = given_places(rows)
    _refuse_far(ctx, outlets, nearest_cities(ctx.reference("cities"), outlets)[1])


def plan(ctx: Context) -> list[Partition]:
    """A partition for each file of outlets."""
    return [
        Partition(number, spec={"file": number}) for number, _ in enumerate(ctx.files("outlet_catalogue"))
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Places of the outlets of one file."""
    outlets = ctx.load("outlet_catalogue", part=part.spec["file"])
    cities, every = world_places(ctx, "sites"), ctx.reference("cities")
    given = outlets.present("given_lat_udeg")
    city_id = np.empty(len(outlets), dtype=np.uint32)
    lat, lon = (
        outlets.given_lat_udeg.astype(np.float64) / MICRO,
        outlets.given_lon_udeg.astype(np.float64) / MICRO,
    )
    city_id[given] = every.city_id[nearest_cities(every, outlets.take(given))[0]]
    city, lat[~given], lon[~given] = _drawn(ctx, cities, outlets.take(~given))
    city_id[~given] = cities.frame.city_id[city]
    named = every.sort("city_id")
    name = named.name[look_up(named.city_id, city_id)]
    sites = outlets.select(*_KEY).with_columns(
        city_id=city_id,
        city_name=name,
        descriptor_city=statement_text(name, _STATEMENT_LETTERS),
        lat_deg=lat,
        lon_deg=lon,
    )
    _count(ctx, outlets, sites, given)
    return {"site_locations": sites}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Sites are in their city and country, cities follow the placement law, the ledger the rows."""
    seen = Counts(totals)
    gate = ctx.params.realism_gates_1B.city_size_mix
    share = band_shares(ctx, world_places(ctx, "sites"))
    sites = seen.drawn_by_country.astype(np.float64)[:, None]
    return [
        Check(
            "sites beyond their city",
            seen.beyond_city == 0,
            seen.beyond_city,
            0,
            "within its radius, or policy's limit",
        ),
        Check(
            "cities of another country",
            seen.foreign_city == 0,
            seen.foreign_city,
            0,
            "the city is in the legal country",
        ),
        Check(
            "cities outside the world",
            seen.outside_world == 0,
            seen.outside_world,
            0,
            "the city is a place of world_footprint_1A",
        ),
        sampling_check(
            "sites by city size",
            [f"band {number}" for number in range(share.shape[1])],
            seen.drawn_by_band,
            from_fixed(fixed(sites * share).sum(axis=0)),
            from_fixed(fixed(sites * share * (1.0 - share)).sum(axis=0)),
            (gate.sigmas, gate.slack_sites),
            "drawn sites follow the weights of the places of each country",
        ),
        ledger_check(totals, "1B.site_city", seen.rows_drawn, 1),
        ledger_check(totals, "1B.site_place", seen.rows_drawn, 3),
        *land_checks(totals, AGAIN, "sites"),
    ]


def _drawn(ctx: PartitionContext, cities: Cities, outlets: Frame) -> tuple[Array, Array, Array]:
    """City row i64, latitude and longitude f64 of outlets without given coordinates."""
    site = ctx.field(
        "site", country_letters=country_letters(ctx)[outlets.legal_country_iso], site_order=outlets.site_order
    )
    city = cities.pick(
        ctx, word(ctx, "1B.site_city", site=site, merchant_id=outlets.merchant_id), outlets.legal_country_iso
    )
    x0, x1, x2 = words(ctx, "1B.site_place", site=site, merchant_id=outlets.merchant_id)
    reach = ctx.params.placement_policy_1B.reach
    first = cities.around(ctx, city, (x0, x1, x2), reach)
    found = landed(ctx, cities, city, first, reach, AGAIN, site=site, merchant_id=outlets.merchant_id)
    enter(ctx, found)
    count_at_sea(ctx, cities, city, found.lat, found.lon)
    return city, found.lat, found.lon


def _count(ctx: PartitionContext, outlets: Frame, sites: Frame, given: Array) -> None:
    """Count the figures of the checks from the rows as they will be published."""
    policy, table = ctx.params.placement_policy_1B, ctx.reference("cities").sort("city_id")
    city = look_up(table.city_id, sites.city_id)
    footprint = ctx.load("world_footprint_1A", columns=("city_id",)).city_id
    # 1: whole microdegrees
    radius = table.jitter_radius_udeg[city].astype(np.float64) * np.float64(policy.reach) + 1.0
    limit = np.where(given, np.float64(policy.given_within_udeg) + 1.0, radius)
    north = np.abs(sites.lat_deg * MICRO - table.lat_udeg[city].astype(np.float64))
    east = np.abs(sites.lon_deg * MICRO - table.lon_udeg[city].astype(np.float64))
    east = np.minimum(east, 360.0 * MICRO - east)
    ctx.count(Counts.beyond_city, np.count_nonzero((north > limit) | (east > limit * table.lon_scale[city])))
    ctx.count(Counts.foreign_city, np.count_nonzero(table.country_iso[city] != sites.legal_country_iso))
    ctx.count(Counts.outside_world, np.count_nonzero(~np.isin(sites.city_id, footprint)))
    ctx.count(Counts.rows_drawn, np.count_nonzero(~given))
    ctx.count(
        Counts.drawn_by_country,
        np.bincount(outlets.legal_country_iso[~given], minlength=len(ctx.vocabulary("country"))),
    )
    bands = len(ctx.params.realism_gates_1B.city_size_mix.population_bounds) + 1
    ctx.count(Counts.drawn_by_band, np.bincount(band_of_city(ctx, table)[city[~given]], minlength=bands))


def _refuse_far(ctx: Context, outlets: Frame, distance: Array) -> None:
    limit = ctx.params.placement_policy_1B.given_within_udeg
    far = np.flatnonzero(distance > np.float64(limit))
    if len(far) == 0:
        return
    names = ctx.vocabulary("country")
    refuse(
        ctx,
        "SITE_FAR_FROM_COUNTRY",
        f"{len(far)} outlet(s) of the merchants file are nowhere near a city of their country",
        at="placement_policy_1B.given_within_udeg",
        expected=f"within {limit / 1e6:g} degrees of one (placement_policy_1B.given_within_udeg)",
        examples=[
            f"merchant {outlets.merchant_id[row]}, {names[outlets.legal_country_iso[row]]}: lat "
            f"{outlets.given_lat_udeg[row] / 1e6}, "
            f"lon {outlets.given_lon_udeg[row] / 1e6}, nearest {distance[row] / 1e6:.2f} degrees away"
            for row in far[:5].tolist()
        ],
        total=len(far),
        do="check the country and that lat and lon are not exchanged",
    )

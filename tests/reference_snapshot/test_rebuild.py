"""The world snapshot is what the pinned packages say, hour by hour, row by row."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math
import os
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tzdata

FOLDER = Path(__file__).resolve().parents[2] / "config" / "reference"
TABLES = ("cities", "countries", "holidays", "land_edges", "tz_transitions", "tzids")
M49_SUBREGIONS = 22
CURRENCIES_OF_NOTE = {
    "US": ("USD", 2),
    "JP": ("JPY", 0),
    "KW": ("KWD", 3),
    "BG": ("EUR", 2),
    "HR": ("EUR", 2),
    "IQ": ("IQD", 3),
}
WEEKENDS_OF_NOTE = {
    "US": "6,7",
    "AE": "6,7",
    "SA": "5,6",
    "EG": "5,6",
    "IL": "5,6",
    "IR": "5",
    "IN": "7",
    "AF": "4,5",
}


def load(name: str) -> pa.Table:
    return pq.read_table(FOLDER / f"{name}.parquet", page_checksum_verification=True)


def sources(folder: Path) -> dict:
    return json.loads((folder / "SOURCES.json").read_text(encoding="utf-8"))


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"snapshot_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def transitions() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    table = load("tz_transitions")
    tzids = np.array(table["tzid"].to_pylist())
    instants, offsets = table["transition_utc_s"].to_numpy(), table["offset_minutes"].to_numpy()
    return {tzid: (instants[tzids == tzid], offsets[tzids == tzid]) for tzid in np.unique(tzids)}


def test_rebuild_gives_the_checked_in_snapshot(tmp_path: Path) -> None:
    """Another host zone, another hash seed, no tz database: same content,
    and on the same pyarrow the same bytes.
    """
    environment = {
        **os.environ,
        "TZ": "Pacific/Auckland",
        "PYTHONHASHSEED": "7",
        "PYTHONTZPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run(
        [sys.executable, str(FOLDER / "build.py"), "--out", str(tmp_path)],
        check=True,
        env=environment,
        capture_output=True,
    )
    ours, theirs = sources(FOLDER), sources(tmp_path)
    assert ours["inputs"] == theirs["inputs"]
    assert ours["left_out"] == theirs["left_out"]
    for name in TABLES:
        mine, rebuilt = ours["outputs"][f"{name}.parquet"], theirs["outputs"][f"{name}.parquet"]
        assert (mine["content_sha256"], mine["rows"]) == (rebuilt["content_sha256"], rebuilt["rows"]), name
        assert load(name).equals(pq.read_table(tmp_path / f"{name}.parquet"), check_metadata=True), name
        if ours["written_by"] == theirs["written_by"]:
            assert (FOLDER / f"{name}.parquet").read_bytes() == (tmp_path / f"{name}.parquet").read_bytes(), (
                name
            )


def test_sources_name_the_files_that_are_there() -> None:
    """Digests in SOURCES.json are those of the checked-in files; nothing else is there; all is small."""
    seal = module("seal")
    outputs = sources(FOLDER)["outputs"]
    assert (
        sorted(outputs)
        == sorted(path.name for path in FOLDER.glob("*.parquet"))
        == sorted(f"{name}.parquet" for name in TABLES)
    )
    for name, facts in outputs.items():
        assert facts["content_sha256"] == seal.content_sha256(pq.read_table(FOLDER / name)), name
        assert facts["file_sha256"] == hashlib.sha256((FOLDER / name).read_bytes()).hexdigest(), name
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 3_000_000
    assert (FOLDER / "cities.parquet").stat().st_size < 1_500_000


@pytest.mark.parametrize("name", TABLES)
def test_no_nulls_and_sorted_by_a_unique_key(name: str) -> None:
    table = load(name)
    key_columns = {
        "cities": ["country_iso", "city_id"], "countries": ["country_iso"],
        "holidays": ["country_iso", "date"], "tz_transitions": ["tzid", "transition_utc_s"],
        "tzids": ["tzid"], "land_edges": ["cell"],
    }[name]  # fmt: skip
    assert all(not field.nullable and table[field.name].null_count == 0 for field in table.schema)
    keys = list(zip(*(table[column].to_pylist() for column in key_columns), strict=True))
    assert all(left < right for left, right in pairwise(keys))


def test_references_close() -> None:
    """Each city's country and zone exist; each country has a city; zone lists agree;
    neighbours and holidays stay inside.
    """
    cities, countries, tzids = load("cities"), load("countries"), load("tzids")
    listed, zones = countries["country_iso"].to_pylist(), tzids["tzid"].to_pylist()
    assert set(cities["country_iso"].to_pylist()) == set(listed)
    assert set(cities["tzid"].to_pylist()) == set(zones) == set(transitions())
    assert tzids["tz_index"].to_pylist() == list(range(len(zones)))
    assert len(set(cities["city_id"].to_pylist())) == cities.num_rows
    assert set(load("holidays")["country_iso"].to_pylist()) == set(listed) - set(
        sources(FOLDER)["left_out"]["holidays"]["countries_without_rows"]
    )
    for near in countries["neighbours"].to_pylist():
        assert set(filter(None, near.split(","))) <= set(listed)


def test_cities_are_in_range_and_their_scales_are_right() -> None:
    cities = load("cities")
    lat, lon, people = (cities[name].to_numpy() for name in ("lat_udeg", "lon_udeg", "population"))
    assert people.min() > 0
    assert np.abs(lat).max() < 80_000_000
    assert np.abs(lon).max() <= 180_000_000
    radius = cities["jitter_radius_udeg"].to_numpy()
    assert radius.min() == 10_000 and radius.max() <= 350_000
    for latitude, scale in zip(lat.tolist(), cities["lon_scale"].to_pylist(), strict=True):
        near = 1.0 / math.cos(math.radians(latitude / 1e6))
        # libm is not exact: this only proves that nothing is wrong at large
        assert abs(scale - near) <= 8 * math.ulp(near)


def test_a_metro_is_named_by_the_largest_principal_city_within_forty_kilometres() -> None:
    """Every city of every country: its metro is that of the largest principal city that is near enough."""
    cities = load("cities")
    country = np.array(cities["country_iso"].to_pylist())
    city, metro, people = (cities[name].to_numpy() for name in ("city_id", "metro_id", "population"))
    lat, lon = (np.radians(cities[name].to_numpy() / 1e6) for name in ("lat_udeg", "lon_udeg"))
    seen = 0
    for code in np.unique(country):
        here = np.flatnonzero(country == code)
        centre = here[metro[here] == city[here]]
        centre = centre[np.lexsort((city[centre], -people[centre]))]
        half = np.sin((lat[here, None] - lat[None, centre]) / 2) ** 2
        half += (
            np.cos(lat[here, None])
            * np.cos(lat[None, centre])
            * np.sin((lon[here, None] - lon[None, centre]) / 2) ** 2
        )
        km = 2 * 6371.0 * np.arcsin(np.sqrt(half))
        # Flat and spherical distances differ by less than 300 m here: such pairs decide nothing.
        clear, near = np.abs(km - 40) > 0.3, km < 40
        first = np.argmax(near, axis=1)
        sure = near.any(axis=1) & np.all(clear | (np.arange(len(centre))[None, :] > first[:, None]), axis=1)
        assert np.array_equal(metro[here][sure], city[centre][first[sure]]), code
        seen += int(np.count_nonzero(sure))
    assert seen > 0.98 * len(city)
    names = dict(zip(city.tolist(), cities["name"].to_pylist(), strict=True))
    inside = np.isin(cities["name"].to_pylist(), ["Brooklyn", "The Bronx", "New Taipei City", "Taipei"])
    assert {names[key] for key in metro[inside].tolist()} == {"New York City", "Taipei"}


def test_land_is_where_it_is() -> None:
    """Mountains, deserts and towns, oceans and straits; 33 % of the grid's cells; nearly all cities."""
    edges = load("land_edges")["cell"].to_numpy().astype(np.int64)
    cells = 21_600 * 43_200

    def on_land(lat: float, lon: float) -> bool:
        row, column = math.floor((90 - lat) * 120), math.floor((lon + 180) * 120)
        return bool(np.searchsorted(edges, row * 43_200 + column, side="right") % 2)

    land = [(52.52, 13.405), (27.988, 86.925), (-25.3, 131.0), (40.44, -79.99), (23.0, 10.0)]
    sea = [(0.0, -30.0), (54.5, 3.0), (35.0, 18.0), (-60.0, 100.0), (57.9, 20.5), (36.0, -5.6)]
    assert all(on_land(*place) for place in land) and not any(on_land(*place) for place in sea)
    ends = np.append(edges, cells)  # the South Pole is land
    assert edges[-1] < cells and 0.33 < (ends[1::2] - ends[::2]).sum() / cells < 0.34
    cities = load("cities")
    places = zip(*(cities[name].to_numpy() / 1e6 for name in ("lat_udeg", "lon_udeg")), strict=True)
    assert 0.99 < np.mean([on_land(*place) for place in places]) < 0.995


def test_every_country_is_classified() -> None:
    """UN M49: 22 sub-regions, each in one region, every country in one; income groups,
    money and weekends make sense.
    """
    tables, countries = module("tables"), load("countries").to_pylist()
    assert len(tables.REGION_OF_SUBREGION) == M49_SUBREGIONS
    assert {row["subregion"] for row in countries} == set(tables.REGION_OF_SUBREGION)
    assert {row["region"] for row in countries} == {"Africa", "Americas", "Asia", "Europe", "Oceania"}
    assert all(tables.REGION_OF_SUBREGION[row["subregion"]] == row["region"] for row in countries)
    assert set(tables.INCOME_GROUP) == {row["country_iso"] for row in countries}
    assert set(tables.INCOME_ASSUMED.split()) | set(tables.ONLINE_PERMILLE) <= set(tables.INCOME_GROUP)
    by_code = {row["country_iso"]: row for row in countries}
    assert {
        code: (by_code[code]["currency"], by_code[code]["minor_units"]) for code in CURRENCIES_OF_NOTE
    } == CURRENCIES_OF_NOTE
    assert {code: by_code[code]["weekend_days"] for code in WEEKENDS_OF_NOTE} == WEEKENDS_OF_NOTE
    for row in countries:
        assert len(row["country_iso"]) == 2 and len(row["iso3"]) == 3 and len(row["currency"]) == 3
        assert (
            row["population"] > 0
            and 0 < row["online_share_permille"] <= 1000
            and row["minor_units"] in (0, 2, 3)
        )


def test_holidays_of_note() -> None:
    """Known days: fixed, moving and observed on another day."""
    days = {
        (row["country_iso"], row["date"].isoformat()): row["name"] for row in load("holidays").to_pylist()
    }
    known = {
        ("US", "2026-11-26"),
        ("US", "2026-07-03"),
        ("DE", "2026-04-03"),
        ("FR", "2027-07-14"),
        ("GB", "2026-12-28"),
        ("JP", "2026-01-01"),
        ("BR", "2026-09-07"),
        ("CN", "2026-10-01"),
        ("IN", "2026-01-26"),
    }
    assert known <= set(days)
    assert all(name and name.isascii() and len(name) <= 48 for name in days.values())


def test_transition_table_equals_zoneinfo_every_hour() -> None:
    """Every zone, every hour of 2025 to 2028, plus every transition to the second over the whole horizon."""
    start, hours = (
        datetime(2025, 1, 1, tzinfo=UTC),
        (datetime(2029, 1, 1, tzinfo=UTC) - datetime(2025, 1, 1, tzinfo=UTC)).days * 24,
    )
    clock = [start + timedelta(hours=hour) for hour in range(hours)]
    instants = np.arange(hours, dtype=np.int64) * 3600 + int(start.timestamp())
    meta = {key.decode(): value.decode() for key, value in load("tz_transitions").schema.metadata.items()}
    assert (meta["covers_from"], meta["covers_to"]) == ("2020-01-01T00:00:00Z", "2036-01-01T00:00:00Z")
    assert meta["tzdata_version"] == tzdata.IANA_VERSION
    minute = timedelta(minutes=1)
    seen: dict[bytes, np.ndarray] = {}
    odd = 0
    for tzid, (at, offset) in transitions().items():
        raw = (Path(tzdata.__file__).parent / "zoneinfo" / tzid).read_bytes()
        zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(raw), key=tzid)
        if raw not in seen:  # zones that are links share their bytes, so also their hours
            seen[raw] = np.array(
                [moment.astimezone(zone).utcoffset() // minute for moment in clock], dtype=np.int16
            )
        table = offset[np.searchsorted(at, instants, side="right") - 1]
        assert np.array_equal(table, seen[raw]), tzid
        odd += bool(np.any(table % 60))
        assert at[0] == int(meta["covers_from_utc_s"]) and at[-1] < int(meta["covers_to_utc_s"])
        assert np.all(offset[1:] != offset[:-1])
        for moment, before, after in zip(
            at[1:].tolist(), offset[:-1].tolist(), offset[1:].tolist(), strict=True
        ):
            assert datetime.fromtimestamp(moment - 1, zone).utcoffset() == before * minute, tzid
            assert datetime.fromtimestamp(moment, zone).utcoffset() == after * minute, tzid
    assert odd >= 10  # the :30 and :45 zones were really among them

"""2A: zones of cities, and a timetable that says what zoneinfo says at every hour of the horizon."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from sim.ground.errors import ContractError
from tests.states.layer1 import build, rows

REFERENCE = Path(__file__).resolve().parents[2] / "config/reference"
# both hemispheres change their clocks
HORIZON = {"scenario_horizon_5A.start": "2026-03-23", "scenario_horizon_5A.end": "2026-04-06"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("world"), overrides=HORIZON)


def test_sites_go_by_their_citys_clock(world) -> None:
    zone = {city["city_id"]: city["tzid"] for city in pq.read_table(REFERENCE / "cities.parquet").to_pylist()}
    city = {site["site_id"]: site["city_id"] for site in rows(world, "site_locations")}
    sites = rows(world, "site_timezones")
    assert len(sites) == len(city) and all(site["tzid"] == zone[city[site["site_id"]]] for site in sites)


def test_timetable_is_the_iana_database_at_every_hour(world) -> None:
    """All zones, every quarter of a day from two days before the horizon to two days after it,
    and every change to the second.
    """
    timetable: dict[str, list[tuple[datetime, int]]] = {}
    for row in rows(world, "tz_timetable_cache"):
        timetable.setdefault(row["tzid"], []).append((row["transition_utc"], row["offset_minutes"]))
    start, end = datetime(2026, 3, 21, tzinfo=UTC), datetime(2026, 4, 8, tzinfo=UTC)
    assert set(timetable) == {row["tzid"] for row in pq.read_table(REFERENCE / "tzids.parquet").to_pylist()}
    for tzid, changes in timetable.items():
        with files("tzdata").joinpath("zoneinfo", *tzid.split("/")).open("rb") as data:
            clock = ZoneInfo.from_file(data, key=tzid)
        instants = [at for at, _ in changes]
        assert instants[0] <= start and all(start < at < end for at in instants[1:])
        asked = [start + timedelta(hours=6 * step) for step in range(18 * 4)]
        asked += [at + timedelta(seconds=second) for at in instants[1:] for second in (-1, 0)]
        for at in asked:
            offset = clock.utcoffset(at.astimezone(clock))
            assert offset == timedelta(minutes=changes[bisect_right(instants, at) - 1][1]), (tzid, at)
    assert sum(len(changes) > 1 for changes in timetable.values()) > 50


@pytest.mark.parametrize(("start", "end"), [("2020-01-02", "2020-02-01"), ("2035-12-01", "2035-12-31")])
def test_a_horizon_beyond_the_snapshot_is_refused(tmp_path: Path, start: str, end: str) -> None:
    with pytest.raises(ContractError) as refused:
        build(tmp_path, overrides={"scenario_horizon_5A.start": start, "scenario_horizon_5A.end": end})
    assert refused.value.code == "2A.S2.HORIZON_NOT_COVERED" and refused.value.exit_code == 3
    assert "2020-01-01" in refused.value.expected


def test_the_last_covered_horizon_is_accepted(tmp_path: Path) -> None:
    world = build(
        tmp_path,
        overrides={"scenario_horizon_5A.start": "2035-12-20", "scenario_horizon_5A.end": "2035-12-30"},
    )
    assert len(rows(world, "tz_timetable_cache")) >= 358

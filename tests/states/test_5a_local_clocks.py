"""The local calendar against Python's zoneinfo: every zone, every bucket,
over clock changes of both hemispheres.
"""

from __future__ import annotations

import importlib.resources
from collections import Counter
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ground.errors import ValidationError
from sim.recipes.horizon import Horizon
from sim.recipes.local_calendar import LocalCalendar, hour_of_week, local_calendar
from tests.states.demand_world import timetable
from tests.states.memory_world import vocabularies

EPOCH = datetime(1970, 1, 1)
SPRING = (date(2026, 3, 6), 32)  # the Americas 8 March, Europe 29 March, Australia and New Zealand 5 April
AUTUMN = (date(2026, 10, 2), 32)  # Australia 4 October, Europe 25 October, the Americas 1 November


@cache
def zone(name: str) -> ZoneInfo:
    """From the tzdata package, never from the host."""
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def table():
    return timetable()


def horizon(start: date, days: int, bucket_seconds: int) -> Horizon:
    return Horizon((start - date(1970, 1, 1)).days, days, bucket_seconds)


def wall_clock(name: str, span: Horizon) -> list[datetime]:
    """Local time at the midpoint of every UTC bucket."""
    tz, first = zone(name), span.start_s + span.bucket_seconds // 2
    return [
        datetime.fromtimestamp(first + number * span.bucket_seconds, tz) for number in range(span.buckets)
    ]


def seconds(local: datetime) -> int:
    """Wall-clock seconds since 1970 of what a local clock shows; its offset plays no part."""
    return (
        (local.toordinal() - EPOCH.toordinal()) * 86_400
        + local.hour * 3600
        + local.minute * 60
        + local.second
    )


def check_zone(clock: LocalCalendar, row: int, span: Horizon) -> set[int]:
    """One zone's rows against zoneinfo; the multiplicities seen."""
    local = wall_clock(vocabularies()["tzid"][clock.tzid[row]], span)
    number = [seconds(moment) // span.bucket_seconds for moment in local]
    origin = int(clock.origin_s[row]) // span.bucket_seconds
    cells = slice(int(clock.offset[row]), int(clock.offset[row + 1]))
    utc = slice(row * span.buckets, (row + 1) * span.buckets)
    assert origin == min(number) and int(clock.origin_s[row]) % span.bucket_seconds == 0
    assert clock.local[utc].tolist() == [value - origin for value in number]
    assert clock.utc_hour[utc].tolist() == [moment.weekday() * 24 + moment.hour for moment in local]
    seen = Counter(number)
    assert clock.times[cells].tolist() == [seen[origin + cell] for cell in range(max(number) - origin + 1)]
    begins = [
        EPOCH + timedelta(seconds=(origin + cell) * span.bucket_seconds)
        for cell in range(max(number) - origin + 1)
    ]
    assert clock.hour[cells].tolist() == [moment.weekday() * 24 + moment.hour for moment in begins]
    return set(clock.times[cells].tolist())


@pytest.mark.parametrize("bucket_seconds", [900, 1800, 3600])
@pytest.mark.parametrize("span", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_every_zone_equals_zoneinfo(span, bucket_seconds):
    span = horizon(*span, bucket_seconds)
    tzid = np.arange(len(vocabularies()["tzid"]), dtype=np.int16)
    clock = local_calendar(table(), tzid, span)
    seen = set()
    for row in range(len(tzid)):
        seen |= check_zone(clock, row, span)
    assert seen == {0, 1, 2}, "clock changes make skipped and repeated buckets"


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.sets(st.integers(0, len(vocabularies()["tzid"]) - 1), min_size=1, max_size=3),
    st.dates(date(2020, 1, 3), date(2035, 12, 1)),
    st.integers(1, 4),
    st.sampled_from([900, 1800, 3600]),
)
def test_any_dates_equal_zoneinfo(zones, start, days, bucket_seconds):
    span = horizon(start, days, bucket_seconds)
    clock = local_calendar(table(), np.array(sorted(zones), dtype=np.int16), span)
    for row in range(len(zones)):
        check_zone(clock, row, span)


@pytest.mark.parametrize(
    ("name", "start", "skipped", "repeated"),
    [
        ("Europe/Berlin", date(2026, 3, 29), ["2026-03-29T02:00"], []),
        ("Europe/Berlin", date(2026, 10, 25), [], ["2026-10-25T02:00"]),
        ("America/New_York", date(2026, 3, 8), ["2026-03-08T02:00"], []),
        ("Asia/Kathmandu", date(2026, 3, 29), [], []),
    ],
)
def test_skipped_and_repeated_hours_by_name(name, start, skipped, repeated):
    code = vocabularies()["tzid"].index(name)
    clock = local_calendar(table(), np.array([code], dtype=np.int16), horizon(start, 2, 3600))

    def named(times: int) -> list[str]:
        cells = np.flatnonzero(clock.times == times).tolist()
        return [
            (EPOCH + timedelta(seconds=int(clock.origin_s[0]) + 3600 * cell)).strftime("%Y-%m-%dT%H:%M")
            for cell in cells
        ]

    assert named(0) == skipped and named(2) == repeated


def test_hour_of_week_begins_on_monday():
    monday = (date(2026, 11, 23) - date(1970, 1, 1)).days * 86_400
    assert hour_of_week(np.array([monday, monday + 3599, monday + 3600, monday - 1])).tolist() == [
        0,
        0,
        1,
        167,
    ]


def test_a_zone_without_a_timetable_is_refused():
    rows = table()
    berlin = vocabularies()["tzid"].index("Europe/Berlin")
    with pytest.raises(ValidationError, match=r"5A\.S4\.TIMETABLE_MISSING"):
        local_calendar(
            rows.take(rows.tzid != berlin), np.array([berlin], dtype=np.int16), horizon(*SPRING, 3600)
        )
    with pytest.raises(ValidationError, match=r"5A\.S4\.TIMETABLE_MISSING"):
        local_calendar(rows, np.array([berlin], dtype=np.int16), horizon(date(2019, 12, 1), 3, 3600))

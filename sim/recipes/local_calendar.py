"""Local clocks over the horizon: which local bucket each UTC bucket falls in, by the time zones' transitions.

A UTC bucket belongs to the local bucket that holds the wall-clock time of its midpoint. Local buckets are
stretches of wall clock (bucket number = floor(local seconds / bucket length)), so an hour the clock skips is
a bucket no UTC bucket falls in, and an hour it runs through twice is one that two fall in. Offsets of :30 and
:45 need nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_offsets
from sim.recipes.horizon import DAY_S, MICRO, Horizon
from sim.recipes.join import look_up, match
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

HOUR_S = 3600
WEEK_HOURS = np.int64(168)
_EPOCH_HOUR = np.int64(72)  # 1970-01-01 was a Thursday


def published_horizon(manifest: Frame) -> Horizon:
    """The horizon in a scenario's row of `scenario_manifest_5A`."""
    day_us = DAY_S * MICRO
    first, stop = int(manifest.horizon_start_utc[0]) // day_us, int(manifest.horizon_end_utc[0]) // day_us
    return Horizon(first, stop - first, int(manifest.bucket_seconds[0]))


@dataclass(frozen=True)
class LocalCalendar:
    """Local and UTC buckets of some time zones; zone z's local buckets are rows `offset[z]` ..

    `offset[z + 1] - 1`.

    Attributes:
        tzid: int16 codes, ascending.
        origin_s: int64, one a zone: local wall clock (seconds) at the start of local bucket 0.
        offset: uint64, zones + 1.
        place: uint16, one a local bucket: bucket of the week, Monday 0 h first.
        hour: uint16, one a local bucket: hour of the week, Monday 0 h first.
        times: uint8, one a local bucket: UTC buckets that fall in it.
        local: uint32, zones x buckets: local bucket of each UTC bucket.
        utc_hour: uint16, zones x buckets: local hour of the week of each UTC bucket.
    """

    tzid: Array
    origin_s: Array
    offset: Array
    place: Array
    hour: Array
    times: Array
    local: Array
    utc_hour: Array

    def zone_of(self, tzid: Array) -> Array:
        """Position of each tzid code among the calendar's zones: int64."""
        return look_up(self.tzid, tzid)


def hour_of_week(local_s: Array) -> Array:
    """Hour of the week (Monday 0 h first) of local wall-clock seconds: int64 in, int64 out."""
    hour: Array = (local_s // HOUR_S + _EPOCH_HOUR) % WEEK_HOURS
    return hour


def local_calendar(timetable: Frame, tzid: Array, horizon: Horizon) -> LocalCalendar:
    """The calendar of some zones.

    Args:
        timetable: Rows of `tz_timetable_cache`.
        tzid: int16: distinct codes, ascending.
        horizon: The horizon.

    Raises:
        ValidationError: `5A.S4.TIMETABLE_MISSING`: a zone has no offset at the beginning of the horizon.
    """
    step = np.int64(horizon.bucket_seconds)
    middle = np.int64(horizon.start_s) + np.arange(horizon.buckets, dtype=np.int64) * step + step // 2
    local_s = middle[None, :] + _offsets(timetable, tzid, middle)
    number = local_s // step
    first = number.min(axis=1)
    local = number - first[:, None]
    size = local.max(axis=1) + 1
    offset = np.concatenate([[0], np.cumsum(size)])
    cell = np.arange(offset[-1], dtype=np.int64) - np.repeat(offset[:-1], size)
    times = np.bincount((local + offset[:-1, None]).ravel(), minlength=offset[-1])
    number = cell + np.repeat(first, size)
    an_hour = HOUR_S // int(step)
    return LocalCalendar(
        tzid=tzid,
        origin_s=first * step,
        offset=offset.astype(np.uint64),
        place=((number + _EPOCH_HOUR * an_hour) % (WEEK_HOURS * an_hour)).astype(np.uint16),
        hour=hour_of_week(number * step).astype(np.uint16),
        times=times.astype(np.uint8),
        local=local.ravel().astype(np.uint32),
        utc_hour=hour_of_week(local_s).ravel().astype(np.uint16),
    )


def _offsets(timetable: Frame, tzid: Array, middle: Array) -> Array:
    """UTC offset in seconds of each zone at each instant (seconds since 1970): int64 (zones, instants)."""
    bounds = run_offsets(timetable.tzid).astype(np.int64)
    known = timetable.tzid[bounds[:-1]]
    place, found = match(known, tzid)
    result = np.zeros((len(tzid), len(middle)), dtype=np.int64)
    for row, zone in enumerate(place.tolist()):
        rows = slice(bounds[zone], bounds[zone + 1]) if found[row] else slice(0, 0)
        changes = timetable.transition_utc[rows] // MICRO
        at = np.searchsorted(changes, middle, side="right") - 1
        if len(changes) == 0 or at[0] < 0:
            refuse(
                "5A.S4",
                "TIMETABLE_MISSING",
                "A time zone with demand has no offset at the beginning of the horizon.",
                found=f"time zone code {int(tzid[row])}, {len(changes)} transitions",
                expected="the offset in force two days before the horizon, in tz_timetable_cache",
                do="closedworld verify RUN; then build the run again",
                error=ValidationError,
            )
        result[row] = timetable.offset_minutes[rows].astype(np.int64)[at] * 60
    return result

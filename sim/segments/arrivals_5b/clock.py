"""Civil time by the sealed timetable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

MINUTE_US = 60_000_000

CLOCK_NEEDS = Needs(reads={"tz_timetable_cache": ROW_LEVEL}, kernels=("utc_offset",))


@dataclass(frozen=True)
class Clock:
    """Transitions of every zone.

    Attributes:
        zone_offset: uint64, zones + 1: rows of each tzid code.
        transition_us: int64, t.
        transition_minutes: int16, t: offset from that instant on.
    """

    zone_offset: Array
    transition_us: Array
    transition_minutes: Array

    def minutes(self, ctx: Context, ts_us: Array, zone: Array) -> Array:
        """Offset from UTC in minutes (int16) of zone codes at instants."""
        minutes: Array = ctx.kernels.utc_offset(
            ts_us=ts_us,
            zone=zone,
            zone_offset=self.zone_offset,
            transition_us=self.transition_us,
            transition_minutes=self.transition_minutes,
        )
        return minutes

    def minute_of_hour(self, ctx: Context, ts_us: Array, zone: Array) -> Array:
        """Local minute of the hour (int64, 0..59) at instants."""
        local: Array = (ts_us // MINUTE_US + self.minutes(ctx, ts_us, zone)) % np.int64(60)
        return local


def clock_of(ctx: Context) -> Clock:
    """The clock of a state that reads tz_timetable_cache (sorted by tzid, instant)."""
    table = ctx.load("tz_timetable_cache")
    zones = np.arange(len(ctx.vocabulary("tzid")) + 1)
    return Clock(
        np.searchsorted(table.tzid, zones).astype(np.uint64), table.transition_utc, table.offset_minutes
    )

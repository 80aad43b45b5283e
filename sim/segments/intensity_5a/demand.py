"""What the demand of a run of keys is made of: weeks, clocks and factors, each proven to be as published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.baseline import BASELINE_NEEDS, weeks_of
from sim.recipes.horizon import MICRO, Horizon
from sim.recipes.join import look_up
from sim.recipes.life import LIFE_NEEDS, LivedFactors, lived_factors
from sim.recipes.local_calendar import HOUR_S, LocalCalendar, local_calendar, published_horizon
from sim.segments.intensity_5a.factors import FACTORS_NEEDS, FactorCells, factor_cells
from sim.segments.intensity_5a.keys import HOURS
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

DEMAND_NEEDS = Needs(
    reads={
        "merchant_zone_profile_5A": ROW_LEVEL,
        "scenario_calendar_5A": ROW_LEVEL,
        "scenario_manifest_5A": ROW_LEVEL,
        "scenario_zone_calendar_5A": ROW_LEVEL,
        "tz_timetable_cache": ROW_LEVEL,
    },
    config=("overlay_policy_5A",),
    uses=(BASELINE_NEEDS, FACTORS_NEEDS, LIFE_NEEDS),
)


@dataclass(frozen=True)
class Demand:
    """What the demand of some keys is made of.

    Attributes:
        keys: Rows of `merchant_zone_profile_5A`.
        base: float64, keys x `week`: arrivals an hour of an ordinary week.
        horizon: The horizon.
        clock: Local calendar of the keys' zones.
        zone: int64, one a key: its zone among those of the clock.
        cells: Overlay factors of the keys' combinations.
        lived: The same with the lives of their merchants, key by key.
    """

    keys: Frame
    base: Array
    horizon: Horizon
    clock: LocalCalendar
    zone: Array
    cells: FactorCells
    lived: LivedFactors

    @property
    def hours(self) -> float:
        """Length of a bucket."""
        return self.horizon.bucket_seconds / HOUR_S

    @property
    def weeks(self) -> Array:
        """First value of each key in `base`: uint64."""
        return np.arange(len(self.keys), dtype=np.uint64) * np.uint64(self.week)

    @property
    def parts(self) -> int:
        """Buckets of an hour."""
        return HOUR_S // self.horizon.bucket_seconds

    @property
    def week(self) -> int:
        """Buckets of a week."""
        return HOURS * self.parts

    @property
    def map_start(self) -> Array:
        """First UTC bucket of each key's zone in the clock's maps: uint64."""
        return self.zone.astype(np.uint64) * np.uint64(self.horizon.buckets)


def horizon_of_run(ctx: Context, scenario: str) -> Horizon:
    """The horizon of a scenario as published."""
    return published_horizon(ctx.load("scenario_manifest_5A", scenario=scenario))


def demand_of(ctx: PartitionContext, scenario: str, rows: tuple[int, int]) -> Demand:
    """Demand of the keys in a row range of the profile.

    Raises:
        ValidationError: `5A.S5.CLOCK_DIFFERS` or `5A.S5.BASELINE_NOT_DENSE`: what is published does not fit.
    """
    keys = ctx.load("merchant_zone_profile_5A", rows=rows)
    horizon = horizon_of_run(ctx, scenario)
    clock = _clock(ctx, scenario, keys, horizon)
    calendar = ctx.load("scenario_calendar_5A", scenario=scenario)
    cells = factor_cells(ctx, keys, calendar, clock, horizon, ctx.params.overlay_policy_5A)
    return Demand(
        keys,
        weeks_of(ctx, keys, rows, horizon.bucket_seconds),
        horizon,
        clock,
        clock.zone_of(keys.tzid),
        cells,
        lived_factors(ctx, keys, clock, horizon.bucket_seconds, ctx.on_host(cells.factor), cells.start),
    )


def _clock(ctx: Context, scenario: str, keys: Frame, horizon: Horizon) -> LocalCalendar:
    """Local calendar of the keys' zones, compared with the published one."""
    clock = local_calendar(ctx.load("tz_timetable_cache"), np.unique(keys.tzid), horizon)
    known = ctx.load("scenario_zone_calendar_5A", scenario=scenario)
    row = look_up(known.tzid, clock.tzid)
    size = np.diff(clock.offset.astype(np.int64)).astype(np.uint32)
    if not (
        np.array_equal(known.local_origin[row], clock.origin_s * MICRO)
        and np.array_equal(known.local_buckets[row], size)
    ):
        refuse(
            ctx,
            "CLOCK_DIFFERS",
            "A time zone's local buckets are not where the scenario's calendar says.",
            found=f"{len(clock.tzid)} zones of a partition",
            expected="local_origin and local_buckets of scenario_zone_calendar_5A",
            do="closedworld verify RUN; then build the run again",
            error=ValidationError,
        )
    return clock

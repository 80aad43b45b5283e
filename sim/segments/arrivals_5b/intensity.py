"""Expected arrivals of each key in each bucket, made of their factors wherever they are needed.

    mean(key, bucket) = baseline(hour of the week) x hours in a bucket x overlay factor x life x noise

The first three are 5A's demand; 5A publishes the baseline by hour of the week and the overlay factors by
combination, so no row of a key and bucket has to be stored anywhere. 5B.S2 publishes what comes out where
policy asks for it, 5B.S3 counts it, `explain` shows it; all by this module and one kernel, so all have the
same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.recipes.baseline import BASELINE_NEEDS, weeks_of
from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.horizon import DAY_S, Horizon
from sim.recipes.life import LIFE_NEEDS, lived_factors
from sim.recipes.local_calendar import HOUR_S, WEEK_HOURS, LocalCalendar, local_calendar, published_horizon
from sim.recipes.partitions import whole_runs
from sim.recipes.told_factors import Combinations, combinations_of, told_factors
from sim.segments.arrivals_5b.noise import Noise
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame

INTENSITY_NEEDS = Needs(
    reads={
        "s1_grouping_5B": ROW_LEVEL,
        "scenario_manifest_5A": ROW_LEVEL,
        "scenario_overlay_factors_5A": ROW_LEVEL,
        "tz_timetable_cache": ROW_LEVEL,
    },
    config=("overlay_policy_5A",),
    kernels=("cell_intensity",),
    uses=(BASELINE_NEEDS, LIFE_NEEDS),
)

PARTITION_CELLS = 1 << 20
_HOURS = int(WEEK_HOURS)
_ONE = (1.0, 1.0)


@dataclass(frozen=True)
class Cells:
    """The cells (key and bucket) of a run of whole merchants, by merchant, bucket and key.

    Attributes:
        keys: Rows of s1_grouping_5B.
        buckets: Buckets of the horizon.
        first: uint64, one a key: row of its bucket 0.
        stride: uint64, one a key: rows from one of its buckets to the next.
        clock: Local calendar of their zones.
        combinations: Which of them have the same overlay factors.
        demand: Arguments of kernel `cell_intensity` that say what a key's demand is.
    """

    keys: Frame
    buckets: int
    first: Array
    stride: Array
    clock: LocalCalendar
    combinations: Combinations
    demand: Mapping[str, Any]

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.keys) * self.buckets

    def key_and_bucket(self, cell: Array) -> tuple[Array, Array]:
        """Key (int64) and bucket (uint32) of cells given by their rows, ascending."""
        offsets = run_offsets(self.keys.merchant_id)
        start = offsets * np.uint64(self.buckets)
        many = np.diff(np.searchsorted(cell, start.astype(np.int64)))
        members = np.repeat(run_lengths(offsets).astype(np.uint32), many)
        within = cell.astype(np.uint32) - np.repeat(start[:-1].astype(np.uint32), many)
        bucket = within // members
        key = np.repeat(offsets[:-1].astype(np.int64), many) + (within - bucket * members)
        return key, bucket


def merchant_runs(ctx: Context, scenario: str) -> list[Partition]:
    """Row ranges of s1_grouping_5B: whole merchants, about `PARTITION_CELLS` cells each."""
    merchants = ctx.load("s1_grouping_5B", scenario=scenario, columns=("merchant_id",)).merchant_id
    buckets = horizon_of_run(ctx, scenario).buckets
    runs = whole_runs(merchants, max(1, PARTITION_CELLS // buckets))
    return [replace(part, scenario=scenario) for part in runs]


def horizon_of_run(ctx: Context, scenario: str) -> Horizon:
    """The horizon of a scenario as published."""
    return published_horizon(ctx.load("scenario_manifest_5A", scenario=scenario))


def cells_of(ctx: Context, scenario: str, rows: tuple[int, int]) -> Cells:
    """Cells of the keys in a row range of s1_grouping_5B.

    Args:
        ctx: Context.
        scenario: Scenario.
        rows: Half-open; whole merchants.

    Raises:
        ValidationError: `<state>.BASELINE_NOT_DENSE`: 5A's baseline lacks an hour of a key.
    """
    keys = ctx.load("s1_grouping_5B", scenario=scenario, rows=rows)
    horizon = horizon_of_run(ctx, scenario)
    offsets = run_offsets(keys.merchant_id)
    members = run_lengths(offsets)
    begin = np.repeat(offsets[:-1], members)
    number = np.arange(len(keys), dtype=np.uint64)
    clock = local_calendar(ctx.load("tz_timetable_cache"), np.unique(keys.tzid), horizon)
    combinations = combinations_of(keys, clock)
    return Cells(
        keys,
        horizon.buckets,
        begin * np.uint64(horizon.buckets) + (number - begin),
        np.repeat(members, members).astype(np.uint64),
        clock,
        combinations,
        _demand(ctx, scenario, keys, rows, horizon, clock, combinations),
    )


def _demand(
    ctx: Context,
    scenario: str,
    keys: Frame,
    rows: tuple[int, int],
    horizon: Horizon,
    clock: LocalCalendar,
    combinations: Combinations,
) -> dict[str, Any]:
    zone = clock.zone_of(keys.tzid)
    bounds = ctx.params.overlay_policy_5A.total
    factor = told_factors(
        combinations,
        ctx.load("scenario_overlay_factors_5A", scenario=scenario),
        len(ctx.vocabulary("event_type")),
        (float(bounds.low), float(bounds.high)),
    )
    start = combinations.offset[combinations.of_key]
    lived = lived_factors(ctx, keys, clock, horizon.bucket_seconds, factor, start)
    origin = np.repeat(clock.origin_s, horizon.buckets)
    local_s = origin + clock.local.astype(np.int64) * np.int64(horizon.bucket_seconds)
    week = _HOURS * (HOUR_S // horizon.bucket_seconds)
    shown = clock.place[np.repeat(clock.offset[:-1].astype(np.int64), horizon.buckets) + clock.local]
    arguments: dict[str, Any] = {
        "base": weeks_of(ctx, keys, rows, horizon.bucket_seconds),
        "base_start": np.arange(len(keys), dtype=np.uint64) * np.uint64(week),
        "map_start": zone.astype(np.uint64) * np.uint64(horizon.buckets),
        "hour": shown,
        "local": clock.local,
        "step": (local_s // DAY_S - (horizon.first_day - 1)).astype(np.uint32),
        "factor_start": lived.start,
        "factor": lived.factor,
        "hours": horizon.bucket_seconds / HOUR_S,
        "week": week,
    }
    return arguments


def intensity(ctx: Context, cells: Cells, noise: Noise, bounds: tuple[float, float]) -> Array:
    """Mean of each cell: float64, by merchant, bucket and key.

    Args:
        ctx: Context.
        cells: The cells.
        noise: Factors on their demand.
        bounds: Least and greatest factor.
    """
    low, high = bounds
    mean: Array = ctx.kernels.cell_intensity(
        **cells.demand,
        field_row=noise.field_row,
        slow_row=noise.slow_row,
        field=noise.field,
        slow=noise.slow,
        lowest=low,
        highest=high,
        first=cells.first,
        stride=cells.stride,
        buckets=cells.buckets,
        dims={"n": len(cells)},
    )
    return mean


def demand(ctx: Context, cells: Cells, noise: Noise) -> Array:
    """Demand of each cell, without noise: what 5A's UTC surface holds."""
    return intensity(ctx, cells, noise, _ONE)

"""Demand by UTC bucket: 5A's UTC surface if the run publishes it, else computed from its local surface.

The local surface goes through the timetable and gives the same rows.

Both are published by the same partitions of 5A.S5, so file k of either holds the same keys.
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.local_calendar import local_calendar, published_horizon
from sim.segments.arrivals_5b.keys import KEY
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Frame
from sim.state.refuse import refuse

UTC, LOCAL = "merchant_zone_scenario_utc_5A", "merchant_zone_scenario_local_5A"

SURFACES_NEEDS = Needs(
    reads={
        LOCAL: ROW_LEVEL,
        UTC: ROW_LEVEL,
        "scenario_manifest_5A": ROW_LEVEL,
        "tz_timetable_cache": ROW_LEVEL,
    },
    config=("scenario_horizon_5A",),
    kernels=("utc_surface",),
)


def files(ctx: Context, scenario: str) -> int:
    """Files of the surface."""
    return len(ctx.files(UTC if ctx.publishes(UTC, scenario) else LOCAL, scenario))


def utc_surface(ctx: Context, part: Partition) -> Frame:
    """One file of the surface: the key's columns, `bucket_index`, `lambda_utc_scenario`.

    Raises:
        ValidationError: `5B.S2.SURFACE_NOT_DENSE`: the local surface does not hold every local bucket of
            every key.
    """
    if ctx.publishes(UTC, part.scenario):
        return ctx.load(UTC, scenario=part.scenario, part=part.index)
    local = ctx.load(LOCAL, scenario=part.scenario, part=part.index)
    horizon = published_horizon(ctx.load("scenario_manifest_5A", scenario=part.scenario))
    heads = np.flatnonzero(local.local_bucket_index == 0)
    keys = local.take(heads).select(*KEY)
    clock = local_calendar(ctx.load("tz_timetable_cache"), np.unique(keys.tzid), horizon)
    zone, offset = clock.zone_of(keys.tzid), np.append(heads, len(local)).astype(np.uint64)
    size = np.diff(offset)
    if not np.array_equal(size, np.diff(clock.offset)[zone]):
        refuse(
            ctx,
            "SURFACE_NOT_DENSE",
            "5A's local surface does not hold every local bucket of every key",
            found=f"{len(local)} rows of {len(keys)} keys",
            expected=f"{int(np.diff(clock.offset)[zone].sum())} rows by the time zones of the keys",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 5A.S5",
            error=ValidationError,
        )
    bucket, rate = ctx.kernels.utc_surface(
        offset=offset,
        rate=ctx.columns.place(local.lambda_local_scenario),
        map_start=zone.astype(np.uint64) * np.uint64(horizon.buckets),
        local=clock.local,
        buckets=horizon.buckets,
        dims={"n": len(keys) * horizon.buckets},
    )
    owners = {name: np.repeat(keys[name], horizon.buckets) for name in KEY}
    return Frame({**owners, "bucket_index": ctx.on_host(bucket), "lambda_utc_scenario": rate})

"""5A.S5: expected arrivals of each key over the horizon, on local and on UTC buckets.

    local(key, bucket) = baseline(hour of the week) x hours in a bucket x overlay factor
    utc(key, bucket)   = local(key, local bucket of the UTC bucket's midpoint)

Nothing is normalised, neither over merchants nor over the horizon: an overlay moves the keys in its scope and
no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_starts
from sim.recipes.horizon import MICRO, Horizon
from sim.recipes.join import look_up
from sim.recipes.local_calendar import HOUR_S, LocalCalendar, local_calendar, published_horizon
from sim.recipes.partitions import rows_of, whole_runs
from sim.segments.intensity_5a.factor_runs import factors_apart
from sim.segments.intensity_5a.factors import FACTORS_NEEDS, factor_cells
from sim.segments.intensity_5a.keys import HOURS, KEYS_NEEDS, PARTITION_ROWS, repeated, shape_count, shape_row
from sim.segments.intensity_5a.masses import FIGURES, PART, class_sums, shares, weekend_hours
from sim.segments.intensity_5a.own_factors import OWN_FACTORS_NEEDS, own_factors
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """What the surfaces of each scenario cover, their factors, and their mass by class and hour.

    Masses are in fixed point.
    """

    keys = PerScenario(Scalar())
    pairs = PerScenario(Scalar())
    cells = PerScenario(Scalar())
    affected = PerScenario(Scalar())
    factors_apart = PerScenario(Scalar())
    outside_bounds = PerScenario(Scalar())
    mass_apart = PerScenario(Scalar())
    mass = PerScenario(Vector("demand_class", "channel", "weekend_rule", HOURS))
    plain = PerScenario(Vector("demand_class", "channel", "weekend_rule", HOURS))


STATE = State(
    id="5A.S5",
    title="Demand surfaces",
    reads={
        "merchant_zone_profile_5A": ROW_LEVEL,
        "merchant_zone_baseline_local_5A": ROW_LEVEL,
        "tz_timetable_cache": ROW_LEVEL,
        "scenario_manifest_5A": ROW_LEVEL,
        "scenario_calendar_5A": ROW_LEVEL,
        "scenario_zone_calendar_5A": ROW_LEVEL,
        "scenario_overlay_factors_5A": ROW_LEVEL,
    },
    config=("demand_policy_5A", "overlay_policy_5A", "realism_gates_5A", "scenario_horizon_5A"),
    writes=("merchant_zone_scenario_local_5A", "merchant_zone_scenario_utc_5A"),
    kernels=("local_surface", "utc_surface", "hour_mass"),
    per_scenario=True,
    resident=True,
    counts=(Counts,),
    uses=(FACTORS_NEEDS, KEYS_NEEDS, OWN_FACTORS_NEEDS),
)

_BITS = 20  # of kernel hour_mass


@dataclass(frozen=True)
class Surface:
    """Demand of some keys on local and UTC buckets; a key's local rows are `offset[k]` ..

    `offset[k + 1] - 1`.
    """

    offset: Array
    bucket: Array
    multiplicity: Array
    local: Array
    utc_bucket: Array
    utc: Array


def preflight(ctx: Context) -> None:
    """Refuse a scenario without any surface before anything is built: no dataset would state its demand."""
    nothing = [
        name for name in ctx.scenarios if not any(ctx.publishes(dataset, name) for dataset in STATE.writes)
    ]
    if nothing:
        refuse(
            ctx,
            "NO_SURFACE",
            "A scenario's demand is published neither by local nor by UTC bucket.",
            found=f"both switched off for {', '.join(nothing)}",
            expected="one of the two: arrivals are made from it",
            at=("scenario_horizon_5A.emit_local_intensities", "scenario_horizon_5A.emit_utc_intensities"),
            do="--set scenario_horizon_5A.emit_utc_intensities=true, or emit_local_intensities",
        )


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 UTC rows a partition, the same in every scenario."""
    merchants = ctx.load("merchant_zone_profile_5A", columns=("merchant_id",)).merchant_id
    parts = []
    for scenario in ctx.scenarios:
        buckets = _horizon(ctx, scenario).buckets
        parts += [
            replace(part, scenario=scenario)
            for part in whole_runs(merchants, max(1, PARTITION_ROWS // buckets))
        ]
    return parts


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Both surfaces of a run of merchants."""
    assert part.scenario is not None
    keys = ctx.load("merchant_zone_profile_5A", rows=rows_of(part))
    horizon = _horizon(ctx, part.scenario)
    clock = _clock(ctx, part.scenario, keys, horizon)
    first, stop = rows_of(part)
    base = ctx.load(
        "merchant_zone_baseline_local_5A", rows=(first * HOURS, stop * HOURS), columns=("lambda_local_base",)
    ).lambda_local_base
    surface = _surface(ctx, part.scenario, keys, clock, horizon, base)
    _count_masses(ctx, part.scenario, keys, clock, horizon, base, surface)
    ctx.count(Counts.keys[part.scenario], len(keys))
    ctx.count(Counts.pairs[part.scenario], len(run_starts(keys.merchant_id, keys.legal_country_iso)))
    frames = {}
    if ctx.publishes("merchant_zone_scenario_utc_5A", part.scenario):
        columns = {"bucket_index": surface.utc_bucket, "lambda_utc_scenario": surface.utc}
        frames["merchant_zone_scenario_utc_5A"] = Frame({**repeated(keys, horizon.buckets), **columns})
    if ctx.publishes("merchant_zone_scenario_local_5A", part.scenario):
        frames["merchant_zone_scenario_local_5A"] = Frame(
            {
                **repeated(keys, np.diff(surface.offset.astype(np.int64))),
                "local_bucket_index": surface.bucket,
                "multiplicity": surface.multiplicity,
                "lambda_local_scenario": surface.local,
            }
        )
    return frames


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Coverage, bounds, mass identity; hours of each class under the overlays."""
    profile = ctx.load("merchant_zone_profile_5A", columns=("merchant_id", "legal_country_iso"))
    pairs = len(run_starts(profile.merchant_id, profile.legal_country_iso))
    seen, results = Counts(totals), []
    for name in ctx.scenarios:
        found = [seen.keys[name], seen.pairs[name]]
        apart, outside, cells = seen.mass_apart[name], seen.outside_bounds[name], seen.cells[name]
        results += [
            Check(
                f"coverage of {name}",
                found == [len(profile), pairs],
                found,
                [len(profile), pairs],
                "keys and merchant-country pairs",
            ),
            Check(
                f"local and UTC mass of {name}",
                apart == 0,
                apart,
                0,
                "key-hours of the week whose exact sums differ",
            ),
            _factors_check(ctx, seen, name),
            Check(
                f"overlay bounds of {name}",
                outside == 0,
                outside,
                0,
                f"of {cells} cells; {seen.affected[name]} not 1",
            ),
            _hours_check(ctx, seen, name),
        ]
    return results


def _horizon(ctx: Context, scenario: str) -> Horizon:
    """The horizon as published."""
    return published_horizon(ctx.load("scenario_manifest_5A", scenario=scenario))


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


def _surface(
    ctx: PartitionContext, scenario: str, keys: Frame, clock: LocalCalendar, horizon: Horizon, base: Array
) -> Surface:
    """Local demand, and its projection on UTC."""
    policy = ctx.params.overlay_policy_5A
    cells = factor_cells(
        ctx, keys, ctx.load("scenario_calendar_5A", scenario=scenario), clock, horizon, policy
    )
    table = ctx.load("scenario_overlay_factors_5A", scenario=scenario)
    ctx.count(Counts.factors_apart[scenario], factors_apart(ctx, keys, cells, table, policy))
    ctx.count(Counts.cells[scenario], len(cells.factor))
    ctx.count(Counts.affected[scenario], int((cells.factor != 1.0).sum()))
    ctx.count(
        Counts.outside_bounds[scenario],
        int(((cells.factor < policy.total.low) | (cells.factor > policy.total.high)).sum()),
    )
    zone = clock.zone_of(keys.tzid)
    offset = np.append(np.uint64(0), np.cumsum(np.diff(clock.offset)[zone]))
    bucket, multiplicity, local = ctx.kernels.local_surface(
        offset=offset,
        volume=ctx.columns.place(np.ones(len(keys), dtype=np.float64)),
        shape_start=np.arange(len(keys), dtype=np.uint64) * np.uint64(HOURS),
        grid_start=clock.offset[zone],
        factor_start=offset[:-1],
        shape=base,
        hour=clock.hour,
        times=clock.times,
        factor=own_factors(ctx, keys, clock, horizon, cells, offset),
        hours=horizon.bucket_seconds / HOUR_S,
        dims={"n": int(offset[-1])},
    )
    utc_bucket, utc = ctx.kernels.utc_surface(
        offset=offset,
        rate=local,
        map_start=zone.astype(np.uint64) * np.uint64(horizon.buckets),
        local=clock.local,
        buckets=horizon.buckets,
        dims={"n": len(keys) * horizon.buckets},
    )
    return Surface(offset, bucket, multiplicity, local, utc_bucket, utc)


def _count_masses(
    ctx: PartitionContext,
    scenario: str,
    keys: Frame,
    clock: LocalCalendar,
    horizon: Horizon,
    base: Array,
    surface: Surface,
) -> None:
    """Mass by key and local hour of the week: local against UTC, and against demand without overlays."""
    zone, buckets = clock.zone_of(keys.tzid), horizon.buckets
    local = ctx.kernels.hour_mass(
        offset=surface.offset,
        rate=surface.local,
        label_start=clock.offset[zone],
        hour=clock.hour,
        times=clock.times,
        dims={"m": HOURS * len(keys)},
    )
    utc = ctx.kernels.hour_mass(
        offset=np.arange(len(keys) + 1, dtype=np.uint64) * np.uint64(buckets),
        rate=surface.utc,
        label_start=zone.astype(np.uint64) * np.uint64(buckets),
        hour=clock.utc_hour,
        times=np.ones(len(clock.utc_hour), dtype=np.uint8),
        dims={"m": HOURS * len(keys)},
    )
    ctx.count(Counts.mass_apart[scenario], int((local != utc).sum()))
    row, groups = shape_row(ctx, keys), shape_count(ctx)
    zones = len(clock.tzid)
    label = np.repeat(np.arange(zones), buckets) * HOURS + clock.utc_hour
    times = np.bincount(label, minlength=zones * HOURS).reshape(zones, HOURS)
    plain = base.reshape(-1, HOURS) * (horizon.bucket_seconds / HOUR_S)
    ctx.count(
        Counts.plain[scenario],
        class_sums(fixed_point(plain, _BITS).astype(np.int64) * times[zone], row, groups).ravel(),
    )
    ctx.count(
        Counts.mass[scenario],
        class_sums(ctx.on_host(utc).astype(np.int64).reshape(-1, HOURS), row, groups).ravel(),
    )


def _factors_check(ctx: Context, seen: Counts, scenario: str) -> Check:
    """The published factors equal those applied in every cell of every key, and name calendar events."""
    table = ctx.load("scenario_overlay_factors_5A", scenario=scenario, columns=("event_id",))
    events = ctx.load("scenario_calendar_5A", scenario=scenario, columns=("event_id",)).event_id
    found = [seen.factors_apart[scenario], int((~np.isin(table.event_id, events)).sum())]
    note = (
        f"of {seen.cells[scenario]} cells other than the product of {len(table)} published factors; "
        "factors of no event"
    )
    return Check(f"overlay factors of {scenario}", found == [0, 0], found, 0, note)


def _hours_check(ctx: Context, seen: Counts, scenario: str) -> Check:
    """Weekend, night and peak-hour mass of each class with overlays against the same hours without them."""
    by_class = [masses[scenario].sum(axis=1) for masses in (seen.mass, seen.plain)]
    weekend = weekend_hours(
        [ctx.params.demand_policy_5A.weekend_rules[name] for name in ctx.vocabulary("weekend_rule")]
    )
    mass, plain = (shares(side, by_class[1], weekend) for side in by_class)
    apart = np.abs(mass - plain)
    apart[by_class[1].sum(axis=(1, 2)) == 0] = 0
    found = dict(zip(FIGURES, (apart.max(axis=0) * 100 / PART).tolist(), strict=True))
    band = ctx.vocabulary("scenario_band")[ctx.load("scenario_manifest_5A", scenario=scenario).band[0]]
    limits = ctx.params.realism_gates_5A.overlay_points if band == "baseline" else None
    passed = limits is None or all(found[name] <= limits[name] for name in FIGURES)
    expected = limits.plain() if limits is not None else None
    return Check(
        f"hours of each class in {scenario}",
        passed,
        found,
        expected,
        "points moved by overlays, worst class; gated in baselines",
    )

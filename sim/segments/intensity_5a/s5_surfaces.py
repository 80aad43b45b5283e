"""5A.S5: expected arrivals of each key over the horizon, on local and on UTC buckets.

    local(key, bucket) = baseline(hour of the week) x hours in a bucket x overlay factor x merchant's life
    utc(key, bucket)   = local(key, local bucket of the UTC bucket's midpoint)

The audit goes over every cell of every key and stores none. Policy says whether the surfaces are published;
5B makes arrivals of the same factors, published or not. What is published is added up again and compared.

Nothing is normalised, neither over merchants nor over the horizon: an overlay moves the keys in its scope and
no other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_starts
from sim.recipes.partitions import rows_of, whole_runs
from sim.segments.intensity_5a.demand import DEMAND_NEEDS, Demand, demand_of, horizon_of_run
from sim.segments.intensity_5a.factor_runs import factors_apart
from sim.segments.intensity_5a.factors import FactorCells
from sim.segments.intensity_5a.keys import (
    HOURS,
    KEYS_NEEDS,
    PARTITION_ROWS,
    repeated,
    shape_count,
    shape_row,
)
from sim.segments.intensity_5a.masses import FIGURES, PART, class_sums, shares, weekend_hours
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
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
        "scenario_manifest_5A": ROW_LEVEL,
        "scenario_calendar_5A": ROW_LEVEL,
        "scenario_overlay_factors_5A": ROW_LEVEL,
    },
    config=("demand_policy_5A", "overlay_policy_5A", "realism_gates_5A", "scenario_horizon_5A"),
    writes=("merchant_zone_scenario_local_5A", "merchant_zone_scenario_utc_5A"),
    kernels=("demand_mass", "hour_mass", "local_surface", "utc_surface"),
    per_scenario=True,
    resident=True,
    counts=(Counts,),
    uses=(DEMAND_NEEDS, KEYS_NEEDS),
)

_BITS = 20  # of kernels demand_mass and hour_mass


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 UTC rows a partition, the same in every scenario."""
    merchants = ctx.load("merchant_zone_profile_5A", columns=("merchant_id",)).merchant_id
    parts = []
    for scenario in ctx.scenarios:
        buckets = horizon_of_run(ctx, scenario).buckets
        parts += [
            replace(part, scenario=scenario)
            for part in whole_runs(merchants, max(1, PARTITION_ROWS // buckets))
        ]
    return parts


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Audit of the demand of a run of merchants, and the surfaces of it that policy publishes."""
    scenario = part.scenario
    assert scenario is not None
    demand = demand_of(ctx, scenario, rows_of(part))
    _count_factors(ctx, scenario, demand.cells)
    mass = _count_masses(ctx, scenario, demand)
    keys = demand.keys
    ctx.count(Counts.keys[scenario], len(keys))
    ctx.count(Counts.pairs[scenario], len(run_starts(keys.merchant_id, keys.legal_country_iso)))
    if not any(ctx.publishes(name, scenario) for name in STATE.writes):
        return {}
    return _published(ctx, scenario, demand, mass)


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
                "key-hours of the week whose exact sums differ, published rows too",
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


def _count_factors(ctx: PartitionContext, scenario: str, cells: FactorCells) -> None:
    policy = ctx.params.overlay_policy_5A
    table = ctx.load("scenario_overlay_factors_5A", scenario=scenario)
    ctx.count(Counts.factors_apart[scenario], factors_apart(ctx, cells, table, policy))
    ctx.count(Counts.cells[scenario], len(cells.factor))
    ctx.count(Counts.affected[scenario], int((cells.factor != 1.0).sum()))
    ctx.count(
        Counts.outside_bounds[scenario],
        int(((cells.factor < policy.total.low) | (cells.factor > policy.total.high)).sum()),
    )


def _count_masses(ctx: PartitionContext, scenario: str, demand: Demand) -> Array:
    """Mass by key and local hour of the week: local against UTC, and against demand without overlays.

    Returns:
        uint64, keys x 168: mass on UTC buckets.
    """
    keys, clock, zone, buckets = demand.keys, demand.clock, demand.zone, demand.horizon.buckets
    local, utc = ctx.kernels.demand_mass(
        base=ctx.columns.place(demand.base),
        base_start=demand.weeks,
        grid_start=clock.offset[zone],
        grid_size=np.diff(clock.offset)[zone],
        map_start=demand.map_start,
        factor_start=demand.lived.start,
        hour=clock.place,
        times=clock.times,
        local=clock.local,
        utc_hour=clock.utc_hour,
        factor=demand.lived.factor,
        hours=demand.hours,
        parts=demand.parts,
        buckets=buckets,
        dims={"o": HOURS * len(keys)},
    )
    ctx.count(Counts.mass_apart[scenario], int((local != utc).sum()))
    row, groups, week = shape_row(ctx, keys), shape_count(ctx), demand.week
    zones = len(clock.tzid)
    place = clock.place[np.repeat(clock.offset[:-1].astype(np.int64), buckets) + clock.local]
    label = np.repeat(np.arange(zones), buckets) * week + place
    times = np.bincount(label, minlength=zones * week).reshape(zones, week)
    plain = fixed_point(demand.base.reshape(-1, week) * demand.hours, _BITS).astype(np.int64) * times[zone]
    plain = plain.reshape(len(keys), HOURS, demand.parts).sum(axis=2)
    mass: Array = ctx.on_host(utc)
    ctx.count(Counts.plain[scenario], class_sums(plain, row, groups).ravel())
    ctx.count(
        Counts.mass[scenario], class_sums(mass.astype(np.int64).reshape(-1, HOURS), row, groups).ravel()
    )
    return mass


def _published(ctx: PartitionContext, scenario: str, demand: Demand, mass: Array) -> Frames:
    """The surfaces to publish, row by row, each added up again and compared with the audit's mass."""
    keys, clock, zone, buckets = demand.keys, demand.clock, demand.zone, demand.horizon.buckets
    offset = np.append(np.uint64(0), np.cumsum(np.diff(clock.offset)[zone]))
    bucket, multiplicity, local = ctx.kernels.local_surface(
        offset=offset,
        volume=ctx.columns.place(np.ones(len(keys))),
        shape_start=demand.weeks,
        grid_start=clock.offset[zone],
        factor_start=demand.lived.start,
        shape=demand.base,
        hour=clock.place,
        times=clock.times,
        factor=demand.lived.factor,
        hours=demand.hours,
        week=demand.week,
        dims={"n": int(offset[-1])},
    )
    frames: Frames = {}
    if ctx.publishes("merchant_zone_scenario_utc_5A", scenario):
        utc_bucket, utc = ctx.kernels.utc_surface(
            offset=offset,
            rate=local,
            map_start=demand.map_start,
            local=clock.local,
            buckets=buckets,
            dims={"n": len(keys) * buckets},
        )
        ends = np.arange(len(keys) + 1, dtype=np.uint64) * np.uint64(buckets)
        once = np.ones(len(clock.utc_hour), dtype=np.uint8)
        _count_apart(ctx, scenario, mass, ends, utc, demand.map_start, clock.utc_hour, once)
        columns = {"bucket_index": utc_bucket, "lambda_utc_scenario": utc}
        frames["merchant_zone_scenario_utc_5A"] = Frame({**repeated(keys, buckets), **columns})
    if ctx.publishes("merchant_zone_scenario_local_5A", scenario):
        _count_apart(ctx, scenario, mass, offset, local, clock.offset[zone], clock.hour, clock.times)
        frames["merchant_zone_scenario_local_5A"] = Frame(
            {
                **repeated(keys, np.diff(offset.astype(np.int64))),
                "local_bucket_index": bucket,
                "multiplicity": multiplicity,
                "lambda_local_scenario": local,
            }
        )
    return frames


def _count_apart(
    ctx: PartitionContext,
    scenario: str,
    mass: Array,
    offset: Array,
    rate: Array,
    label_start: Array,
    hour: Array,
    times: Array,
) -> None:
    found = ctx.kernels.hour_mass(
        offset=offset,
        rate=rate,
        label_start=label_start,
        hour=hour,
        times=times,
        dims={"m": len(mass)},
    )
    ctx.count(Counts.mass_apart[scenario], int((ctx.on_host(found) != mass).sum()))


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
    passed = limits is None or all(found[name] <= limits[name] for name in limits)
    expected = limits.plain() if limits is not None else None
    return Check(
        f"hours of each class in {scenario}",
        passed,
        found,
        expected,
        "points moved by overlays, worst class; gated in baselines",
    )

"""5B.S2: demand that moves together - noise by level, each with a cause of its own, on top of 5A's demand.

lambda_realised = demand x clip(exp(Zg - sg^2/2) x D): Zg is an Ornstein-Uhlenbeck path by bucket of the key's
group (log-Gaussian Cox process: Moller, Syversveen, Waagepetersen 1998; phi = exp(-bucket / length)), D the
factor of the key's local day (`days.py`). Policy says whether lambda_realised is published; 5B.S3 makes the
same numbers again where it counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import Horizon
from sim.recipes.local_calendar import HOUR_S
from sim.recipes.partitions import rows_of
from sim.segments.arrivals_5b.day_paths import (
    DAY_PATHS_NEEDS,
    countries_of,
    metros_of,
    publish_countries,
    publish_merchants,
    publish_metros,
    publish_zones,
    span_of_days,
)
from sim.segments.arrivals_5b.days import DAYS_NEEDS, Days, sigmas_of, zones_of
from sim.segments.arrivals_5b.field_checks import FIELD_CHECKS_NEEDS, moment_checks
from sim.segments.arrivals_5b.fields import (
    DRAWN_NEEDS,
    FAMILIES,
    FIELDS_NEEDS,
    PathCounts,
    count_moments,
    group_paths,
)
from sim.segments.arrivals_5b.intensity import (
    INTENSITY_NEEDS,
    cells_of,
    demand,
    horizon_of_run,
    intensity,
    merchant_runs,
)
from sim.segments.arrivals_5b.keys import KEY
from sim.segments.arrivals_5b.noise import NOISE_NEEDS, noise_of, pair_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

REALISED, DEMAND = "s2_realised_intensity_5B", "merchant_zone_scenario_utc_5A"
FIELD = "5B.latent_field"
STREAMS = {
    "5B.world_day": ("world",),
    "5B.country_day": ("country",),
    "5B.country_class_day": ("class",),
    "5B.metro_day": ("metro",),
    "5B.merchant_day": ("merchant", "outlet"),
    "5B.zone_day": ("zone",),
}
"""Streams of days, and the families of paths that their draws make, one word each."""


class Counts(Counters):
    """Published cells, and those of 5A's surface that differ from the demand they were made of."""

    cells = Scalar()
    compared = Scalar()
    apart = Scalar()


STATE = State(
    id="5B.S2",
    title="Noise by level",
    reads={"s1_grouping_5B": ROW_LEVEL, DEMAND: ROW_LEVEL},
    config=("arrival_lgcp_config_5B", "scenario_horizon_5A"),
    writes=(
        "s2_latent_field_5B",
        "s2_country_day_5B",
        "s2_metro_day_5B",
        "s2_merchant_day_5B",
        "s2_zone_day_5B",
        "s2_realised_intensity_5B",
    ),
    streams=("5B.latent_field",),
    per_scenario=True,
    resident=True,
    counts=(Counts, PathCounts),
    uses=(
        DAYS_NEEDS,
        DAY_PATHS_NEEDS,
        DRAWN_NEEDS,
        FIELDS_NEEDS,
        FIELD_CHECKS_NEEDS,
        INTENSITY_NEEDS,
        NOISE_NEEDS,
    ),
)


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 cells a partition, each with its share of the groups' paths."""
    parts = []
    for scenario in ctx.scenarios:
        runs = merchant_runs(ctx, scenario)
        groups = len(_groups(ctx.load("s1_grouping_5B", scenario=scenario)))
        for part in runs:
            share = [groups * number // len(runs) for number in (part.index, part.index + 1)]
            parts.append(replace(part, spec={**part.spec, "groups": share}))
    return parts


def _groups(grouping: Frame) -> Frame:
    """One row a group, in order of group_id."""
    return grouping.take(np.unique(grouping.group_id, return_index=True)[1])


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Paths of a run of merchants and of a share of the groups; in the first partition, what all share."""
    assert part.scenario is not None
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    horizon = horizon_of_run(ctx, part.scenario)
    first, stop = rows_of(part)
    keys = grouping.slice(first, stop)
    band = int(grouping.scenario_band[0]) if len(grouping) else 0
    span = span_of_days(horizon, sigmas_of(ctx, band), part.scenario)
    frames: Frames = {}
    if part.index == 0:
        pairs = grouping.take(np.unique(pair_of(grouping), return_index=True)[1])
        frames["s2_country_day_5B"] = publish_countries(ctx, span, pairs)
        frames["s2_metro_day_5B"] = publish_metros(ctx, span, np.unique(grouping.metro_id))
    heads = run_starts(keys.merchant_id)
    zones = zones_of(keys)
    frames["s2_merchant_day_5B"], merchant = publish_merchants(
        ctx, span, keys.merchant_id[heads], keys.outlets[heads]
    )
    frames["s2_zone_day_5B"], gamma = publish_zones(ctx, span, zones)
    _publish_groups(ctx, part, _groups(grouping), horizon, frames)
    # Who lists draws again writes nothing else.
    if REALISED in ctx.state.writes and ctx.publishes(REALISED, part.scenario):
        pairs = keys.take(np.unique(pair_of(keys), return_index=True)[1])
        metros = np.unique(keys.metro_id)
        own = Days(
            pair_of(pairs),
            countries_of(ctx, span, pairs),
            metros,
            metros_of(ctx, span, metros),
            keys.merchant_id[heads],
            merchant,
            zones,
            gamma,
        )
        frames[REALISED] = _realised(ctx, part.scenario, (first, stop), horizon, own)
    return frames


def _publish_groups(
    ctx: PartitionContext, part: Partition, groups: Frame, horizon: Horizon, frames: Frames
) -> None:
    first, stop = part.spec["groups"]
    if first == stop:
        return
    mine, buckets = groups.slice(first, stop), horizon.buckets
    owners = mine.select("group_id")
    paths = group_paths(ctx, mine, horizon.bucket_seconds / HOUR_S)
    at = ctx.address("5B.latent_field", demand_group=paths.entity)
    z = paths.draw(ctx, at.stream, buckets)
    count_moments(ctx, "field", paths, z, buckets)
    ctx.count(PathCounts.paths["field"], len(paths.entity))
    ctx.count(PathCounts.blocks["field"], len(paths.entity) * ((buckets + 1) // 2))
    ctx.ledger(at, draws=buckets, scenario=part.scenario, names=dict(owners.items()))
    frames["s2_latent_field_5B"] = Frame(
        {
            "group_id": np.repeat(mine.group_id, buckets),
            "bucket_index": np.tile(np.arange(buckets, dtype=np.uint32), len(mine)),
            "latent_z": z,
        }
    )


def _realised(
    ctx: PartitionContext, scenario: str, rows: tuple[int, int], horizon: Horizon, days: Days
) -> Frame:
    """Intensity of every cell of a run of merchants; its demand is compared with 5A's published surface."""
    cells = cells_of(ctx, scenario, rows)
    _, head, of_key = np.unique(cells.keys.group_id, return_index=True, return_inverse=True)
    field = group_paths(ctx, cells.keys.take(head), horizon.bucket_seconds / HOUR_S)
    z: Array = ctx.on_host(field.draw(ctx, "5B.latent_field", cells.buckets)).reshape(-1, cells.buckets)
    noise = noise_of(ctx, cells.keys, rows, (field, z, of_key), days)
    low, high = ctx.params.arrival_lgcp_config_5B.factor_range
    realised = intensity(ctx, cells, noise, (float(low), float(high)))
    key, bucket = cells.key_and_bucket(np.arange(len(cells)))
    ctx.count(Counts.cells, len(cells))
    if ctx.publishes(DEMAND, scenario):
        first, stop = (row * cells.buckets for row in rows)
        surface = ctx.load(DEMAND, scenario=scenario, rows=(first, stop), columns=("lambda_utc_scenario",))
        expected = surface.lambda_utc_scenario.reshape(-1, cells.buckets)[key, bucket]
        ctx.count(Counts.compared, len(cells))
        ctx.count(Counts.apart, int((ctx.on_host(demand(ctx, cells, noise)) != expected).sum()))
    owner = ctx.columns.take(cells.keys.select(*KEY), key)
    return owner.with_columns(bucket_index=ctx.columns.place(bucket), lambda_realised=realised)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean, variance and lag-1 autocorrelation of every family of paths; their draws."""
    own, seen = Counts(totals), PathCounts(totals)
    note = f"of {own.compared} cells of 5A's surface; {own.cells} of realised intensity are published"
    found = [Check("demand as 5A published it", own.apart == 0, own.apart, 0, note)]
    for name in FAMILIES:
        if seen.values[name]:
            found += moment_checks(ctx, totals, name)
    entries = {FIELD: [seen.paths["field"], seen.values["field"], seen.blocks["field"]]}
    for stream, families in STREAMS.items():
        values = [seen.values[name] for name in families]
        entries[stream] = [values[0], sum(values), values[0]]
    for stream, expected in entries.items():
        entry = list(totals.drawn(stream))
        note = "entities, values and blocks equal what was published"
        found.append(Check(f"ledger {stream}", entry == expected, entry, expected, note))
    return found

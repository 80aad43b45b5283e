"""5B.S2: demand that moves together - a latent log-Gaussian field on top of 5A's demand.

lambda_realised = lambda x clip(exp(Zg - sg^2/2) x exp(Zc - sc^2/2)): Zg is an Ornstein-Uhlenbeck path of the
key's group, Zc one shared by all demand of a country and class (log-Gaussian Cox process: Moller, Syversveen,
Waagepetersen 1998). phi = exp(-bucket / length). Policy says whether lambda_realised is published; 5B.S3
makes the same numbers again where it counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.recipes.local_calendar import HOUR_S
from sim.recipes.partitions import rows_of
from sim.segments.arrivals_5b.field_checks import FIELD_CHECKS_NEEDS, moment_checks
from sim.segments.arrivals_5b.fields import (
    DRAWN_NEEDS,
    FIELDS_NEEDS,
    PathCounts,
    Paths,
    count_moments,
    group_paths,
    shock_paths,
)
from sim.segments.arrivals_5b.intensity import (
    INTENSITY_NEEDS,
    Cells,
    cells_of,
    demand,
    horizon_of_run,
    intensity,
    merchant_runs,
)
from sim.segments.arrivals_5b.keys import KEY
from sim.segments.arrivals_5b.noise import Noise, noise_of, pair_of
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

REALISED, DEMAND = "s2_realised_intensity_5B", "merchant_zone_scenario_utc_5A"


class Counts(Counters):
    """Published cells, and those of 5A's surface that differ from the demand they were made of."""

    cells = Scalar()
    compared = Scalar()
    apart = Scalar()


STATE = State(
    id="5B.S2",
    title="Latent field",
    reads={"s1_grouping_5B": ROW_LEVEL, DEMAND: ROW_LEVEL},
    config=("arrival_lgcp_config_5B", "scenario_horizon_5A"),
    writes=("s2_latent_field_5B", "s2_country_shock_5B", "s2_realised_intensity_5B"),
    streams=("5B.latent_field", "5B.country_shock"),
    per_scenario=True,
    resident=True,
    counts=(Counts, PathCounts),
    uses=(DRAWN_NEEDS, FIELDS_NEEDS, FIELD_CHECKS_NEEDS, INTENSITY_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 cells a partition, each with its share of the paths."""
    parts = []
    for scenario in ctx.scenarios:
        grouping = ctx.load("s1_grouping_5B", scenario=scenario)
        runs = merchant_runs(ctx, scenario)
        groups, pairs = len(_groups(grouping)), len(_pairs(grouping))
        for part in runs:
            slices = {
                "groups": _share(groups, part.index, len(runs)),
                "pairs": _share(pairs, part.index, len(runs)),
            }
            parts.append(replace(part, spec={**part.spec, **slices}))
    return parts


def _share(total: int, part: int, parts: int) -> list[int]:
    return [total * part // parts, total * (part + 1) // parts]


def _groups(grouping: Frame) -> Frame:
    """One row a group, in order of group_id."""
    return grouping.take(np.unique(grouping.group_id, return_index=True)[1])


def _pairs(grouping: Frame) -> Frame:
    """One row a country and class, in order."""
    return grouping.take(np.unique(pair_of(grouping), return_index=True)[1])


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """One share of the paths, and the intensity of a run of merchants where policy asks for it."""
    assert part.scenario is not None
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    horizon = horizon_of_run(ctx, part.scenario)
    buckets, hours = horizon.buckets, horizon.bucket_seconds / HOUR_S
    frames: Frames = {}
    # Who lists draws again writes nothing else.
    if REALISED in ctx.state.writes and ctx.publishes(REALISED, part.scenario):
        frames[REALISED] = _realised(ctx, part.scenario, rows_of(part), hours)
    first, stop = part.spec["groups"]
    if first < stop:
        groups = _groups(grouping).slice(first, stop)
        owners = groups.select("group_id")
        paths = group_paths(ctx, groups, hours)
        at = ctx.address("5B.latent_field", demand_group=paths.entity)
        z = _published(ctx, part, at, "field", paths, owners, buckets)
        frames["s2_latent_field_5B"] = _path_frame(owners, z, buckets)
    first, stop = part.spec["pairs"]
    if first < stop:
        pairs = _pairs(grouping).slice(first, stop)
        owners = pairs.select("legal_country_iso", "demand_class")
        paths = shock_paths(ctx, pairs, hours)
        at = ctx.address("5B.country_shock", country_class=paths.entity)
        z = _published(ctx, part, at, "shock", paths, owners, buckets)
        frames["s2_country_shock_5B"] = _path_frame(owners, z, buckets)
    return frames


def _published(
    ctx: PartitionContext, part: Partition, at: Address, name: str, paths: Paths, owners: Frame, buckets: int
) -> Array:
    z = paths.draw(ctx, at.stream, buckets)
    count_moments(ctx, name, paths, z, buckets)
    ctx.count(PathCounts.paths[name], len(paths.entity))
    ctx.count(PathCounts.blocks[name], len(paths.entity) * ((buckets + 1) // 2))
    ctx.ledger(at, draws=buckets, scenario=part.scenario, names=dict(owners.items()))
    return z


def _path_frame(owners: Frame, z: Array, buckets: int) -> Frame:
    columns = {name: np.repeat(owners[name], buckets) for name in owners}
    return Frame(
        {**columns, "bucket_index": np.tile(np.arange(buckets, dtype=np.uint32), len(owners)), "latent_z": z}
    )


def _realised(ctx: PartitionContext, scenario: str, rows: tuple[int, int], hours: float) -> Frame:
    """Intensity of every cell of a run of merchants; its demand is compared with 5A's published surface."""
    cells = cells_of(ctx, scenario, rows)
    noise = _noise(ctx, cells, hours)
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


def _noise(ctx: Context, cells: Cells, hours: float) -> Noise:
    """Noise of keys whose paths are drawn here; the ledger is their publisher's."""
    _, field_head, field_of_key = np.unique(cells.keys.group_id, return_index=True, return_inverse=True)
    _, shock_head, shock_of_key = np.unique(pair_of(cells.keys), return_index=True, return_inverse=True)
    field, shock = (
        group_paths(ctx, cells.keys.take(field_head), hours),
        shock_paths(ctx, cells.keys.take(shock_head), hours),
    )
    z = (
        field.draw(ctx, "5B.latent_field", cells.buckets),
        shock.draw(ctx, "5B.country_shock", cells.buckets),
    )
    return noise_of(ctx, (field, shock), z, (field_of_key, shock_of_key), cells.zones, cells.buckets)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean, variance and lag-1 autocorrelation of both families of paths; their draws."""
    own, seen = Counts(totals), PathCounts(totals)
    note = f"of {own.compared} cells of 5A's surface; {own.cells} of realised intensity are published"
    found = [Check("demand as 5A published it", own.apart == 0, own.apart, 0, note)]
    for name, stream in (("field", "5B.latent_field"), ("shock", "5B.country_shock")):
        found += moment_checks(ctx, totals, name)
        entry = list(totals.drawn(stream))
        expected = [seen.paths[name], seen.values[name], seen.blocks[name]]
        found.append(
            Check(
                f"ledger {stream}",
                entry == expected,
                entry,
                expected,
                "paths, values and blocks equal what was published",
            )
        )
    return found

"""5B.S2: demand that moves together - a latent log-Gaussian field on top of 5A's intensities.

lambda_realised = lambda x clip(exp(Zg - sg^2/2) x exp(Zc - sc^2/2)): Zg is an Ornstein-Uhlenbeck path of the
key's group, Zc one shared by all demand of a country and class (log-Gaussian Cox process: Moller, Syversveen,
Waagepetersen 1998). phi = exp(-bucket / length).
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_lengths, run_offsets
from sim.segments.arrivals_5b import surfaces
from sim.segments.arrivals_5b.field_checks import FIELD_CHECKS_NEEDS, moment_checks
from sim.segments.arrivals_5b.fields import (
    FIELDS_NEEDS,
    PathCounts,
    Paths,
    count_moments,
    group_paths,
    shock_paths,
)
from sim.segments.arrivals_5b.keys import KEY
from sim.segments.arrivals_5b.surfaces import SURFACES_NEEDS
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals

STATE = State(
    id="5B.S2",
    title="Latent field",
    reads={"s1_time_grid_5B": ROW_LEVEL, "s1_grouping_5B": ROW_LEVEL},
    config=("arrival_lgcp_config_5B",),
    writes=("s2_latent_field_5B", "s2_country_shock_5B", "s2_realised_intensity_5B"),
    streams=("5B.latent_field", "5B.country_shock"),
    kernels=("realise_intensity",),
    per_scenario=True,
    resident=True,
    counts=(PathCounts,),
    uses=(FIELDS_NEEDS, FIELD_CHECKS_NEEDS, SURFACES_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """One partition for each file of 5A's surface.

    Each also publishes its slice of the groups' and countries' paths.
    """
    parts = []
    for scenario in ctx.scenarios:
        files = surfaces.files(ctx, scenario)
        grouping = ctx.load("s1_grouping_5B", scenario=scenario)
        groups, pairs = len(_groups(grouping)), len(_pairs(grouping))
        for part in range(files):
            slices = {"groups": _share(groups, part, files), "pairs": _share(pairs, part, files)}
            parts.append(Partition(part, scenario, slices))
    return parts


def _share(total: int, part: int, parts: int) -> list[int]:
    return [total * part // parts, total * (part + 1) // parts]


def _groups(grouping: Frame) -> Frame:
    """One row a group, in order of group_id."""
    return grouping.take(np.unique(grouping.group_id, return_index=True)[1])


def _pairs(grouping: Frame) -> Frame:
    """One row a country and class, in order."""
    return grouping.take(np.unique(_pair(grouping), return_index=True)[1])


def _pair(grouping: Frame) -> Array:
    return (grouping.legal_country_iso.astype(np.int64) << 16) | grouping.demand_class


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Realised intensity of one file of the surface, and one slice of the paths."""
    grid = ctx.load("s1_time_grid_5B", scenario=part.scenario)
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    buckets = len(grid)
    hours = float(int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0])) / 3.6e9
    frames: Frames = {"s2_realised_intensity_5B": _realise(ctx, part, grouping, buckets, hours)}
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


def _realise(ctx: PartitionContext, part: Partition, grouping: Frame, buckets: int, hours: float) -> Frame:
    surface = surfaces.utc_surface(ctx, part)
    keys = _surface_keys(ctx, surface, grouping, buckets)
    _, field_head, field_of_key = np.unique(keys.group_id, return_index=True, return_inverse=True)
    _, shock_head, shock_of_key = np.unique(_pair(keys), return_index=True, return_inverse=True)
    field, shock = (
        group_paths(ctx, keys.take(field_head), hours),
        shock_paths(ctx, keys.take(shock_head), hours),
    )
    lowest, highest = ctx.params.arrival_lgcp_config_5B.factor_range
    offsets = run_offsets(keys.merchant_id)
    members = run_lengths(offsets)
    first = np.repeat(offsets[:-1], members)
    width = np.uint64(buckets)
    realised, key_row, bucket = ctx.kernels.realise_intensity(
        intensity=ctx.columns.place(surface.lambda_utc_scenario),
        base=first * width + (np.arange(len(keys), dtype=np.uint64) - first),
        stride=np.repeat(members, members).astype(np.uint64),
        field_row=field_of_key.astype(np.uint64) * width,
        shock_row=shock_of_key.astype(np.uint64) * width,
        buckets=buckets,
        field=field.factor(ctx, field.draw(ctx, "5B.latent_field", buckets), buckets),
        shock=shock.factor(ctx, shock.draw(ctx, "5B.country_shock", buckets), buckets),
        lowest=lowest,
        highest=highest,
    )
    owner = ctx.columns.take(keys.select(*KEY), key_row.astype(np.intp))
    return owner.with_columns(bucket_index=bucket, lambda_realised=realised)


def _surface_keys(ctx: Context, surface: Frame, grouping: Frame, buckets: int) -> Frame:
    """The grouping rows of the surface's keys.

    They are adjacent, because both are sorted by key and every key has every bucket.
    """
    heads = surface.take(np.arange(0, len(surface), buckets))
    start = int(np.searchsorted(grouping.merchant_id, heads.merchant_id[0])) if len(heads) else 0
    keys = grouping.slice(start, start + len(heads))
    dense = len(surface) == len(keys) * buckets and bool(
        (surface.bucket_index.reshape(-1, buckets) == np.arange(buckets)).all()
    )
    if not dense or any(not np.array_equal(keys[name], heads[name]) for name in KEY):
        refuse(
            ctx,
            "SURFACE_NOT_DENSE",
            "5A's surface does not hold every bucket of every key of its profile",
            found=(
                f"{len(surface)} rows, {len(heads)} keys from merchant "
                f"{heads.merchant_id[0] if len(heads) else 'none'}"
            ),
            expected=f"{buckets} rows for each key of merchant_zone_profile_5A, in order",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 5A.S5",
            error=ValidationError,
        )
    return keys


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean, variance and lag-1 autocorrelation of both families of paths; their draws."""
    seen, found = PathCounts(totals), []
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

"""5B.S3: how many arrivals fall in each bucket.

N ~ NB2(mu, kappa): mean mu, variance mu + mu^2 / kappa (Hilbe 2011, eq. 8.6), or Poisson by policy, drawn by
exact inversion. Rows with mu = 0 draw nothing; rows with N = 0 are counted in the summary, not stored.
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.entities import ENTITY_NEEDS, zone_entity
from sim.recipes.groups import run_starts
from sim.recipes.horizon import DAY_S
from sim.recipes.partitions import rows_of
from sim.segments.arrivals_5b.count_checks import (
    COUNT_CHECKS_NEEDS,
    ClassCounts,
    count_moments,
    dispersion_checks,
)
from sim.segments.arrivals_5b.day_checks import DAY_CHECKS_NEEDS, DayCounts, count_days, day_checks
from sim.segments.arrivals_5b.event_checks import (
    EVENT_CHECKS_NEEDS,
    EventCounts,
    count_events,
    event_checks,
)
from sim.segments.arrivals_5b.fields import by_code
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
from sim.segments.arrivals_5b.noise import PUBLISHED_NOISE_NEEDS, Noise, published_noise
from sim.segments.arrivals_5b.sums import real
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals

REALISED, STREAM = "s2_realised_intensity_5B", "5B.bucket_count"
ARRIVALS, STORED, POSITIVE, DRAWS, BLOCKS, EXPECTED, MOMENTS = 0, 1, 2, 3, 4, 5, 6
VARIANCE = MOMENTS + 2
SUMS, DEMAND = 17, 16
"""Sums of kernel `count_cells` for a key and day, and where they are."""


class Counts(Counters):
    """Rows with demand and the draws they must take; rows in all, and rows stored.

    Published rows of the intensity, and those of them that are not what was counted.
    """

    positive_rows = Scalar()
    pieces = Scalar()
    compared = Scalar()
    apart = Scalar()
    rows = Scalar()
    stored_rows = Scalar()


STATE = State(
    id="5B.S3",
    title="Bucket counts",
    reads={REALISED: ROW_LEVEL},
    config=("arrival_count_config_5B", "arrival_lgcp_config_5B", "scenario_horizon_5A"),
    writes=("s3_bucket_counts_5B", "s3_count_summary_5B"),
    streams=("5B.bucket_count",),
    kernels=("count_cells",),
    per_scenario=True,
    counts=(Counts, ClassCounts, DayCounts, EventCounts),
    uses=(
        COUNT_CHECKS_NEEDS,
        DAY_CHECKS_NEEDS,
        ENTITY_NEEDS,
        EVENT_CHECKS_NEEDS,
        INTENSITY_NEEDS,
        PUBLISHED_NOISE_NEEDS,
    ),
)


def plan(ctx: Context) -> list[Partition]:
    """Whole merchants, about 2**20 cells a partition."""
    return [part for scenario in ctx.scenarios for part in merchant_runs(ctx, scenario)]


def means(ctx: Context, scenario: str, rows: tuple[int, int]) -> tuple[Cells, Noise, Array]:
    """Cells of the keys in a row range of s1_grouping_5B, their noise, and the mean each is counted with."""
    cells = cells_of(ctx, scenario, rows)
    noise = published_noise(ctx, scenario, cells.keys, rows, horizon_of_run(ctx, scenario))
    low, high = ctx.params.arrival_lgcp_config_5B.factor_range
    return cells, noise, intensity(ctx, cells, noise, (float(low), float(high)))


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Counts of a run of merchants."""
    assert part.scenario is not None
    cells, noise, mean = means(ctx, part.scenario, rows_of(part))
    _compare(ctx, part.scenario, rows_of(part), cells, mean)
    keys, buckets = cells.keys, cells.buckets
    a_day = DAY_S // horizon_of_run(ctx, part.scenario).bucket_seconds
    kappa = _kappa(ctx, keys)
    entity = zone_entity(ctx, keys.merchant_id, keys.legal_country_iso, keys.tzid, keys.channel_group)
    at = ctx.address(STREAM, bucket_index=np.arange(buckets, dtype=np.uint32), demand_key=np.uint64(0))
    of_key = ctx.address(STREAM, bucket_index=0, demand_key=entity)
    policy = ctx.params.arrival_count_config_5B
    key_days = len(keys) * (buckets // a_day)
    count, peak, sums = ctx.kernels.count_cells(
        key=ctx.stream(STREAM),
        c0=at.c0,
        c1=of_key.c1,
        kappa=kappa,
        first=cells.first,
        stride=cells.stride,
        mean=mean,
        demand=demand(ctx, cells, noise),
        part_mean=policy.part_mean,
        largest=policy.largest_mean,
        day=a_day,
        dims={"d": key_days, "m": SUMS * key_days},
    )
    _refuse_large(ctx, peak)
    total = sums.reshape(-1, SUMS)[:, :MOMENTS].sum(axis=0)
    _enter_draws(ctx, part.scenario, cells, mean, entity, total, peak)
    ctx.count(Counts.positive_rows, int(total[POSITIVE]))
    ctx.count(Counts.pieces, int(pieces(ctx, mean).sum()))
    ctx.count(Counts.rows, len(cells))
    ctx.count(Counts.stored_rows, int(total[STORED]))
    ctx.count(ClassCounts.in_scenario[part.scenario], int(total[ARRIVALS]))
    by_key = sums.reshape(len(keys), -1, SUMS)
    count_moments(ctx, keys.demand_class, by_key[:, :, ARRIVALS], by_key[:, :, MOMENTS:])
    law = (by_key[:, :, VARIANCE] << np.uint64(32)) + by_key[:, :, VARIANCE + 1]
    figures = by_key[:, :, ARRIVALS], by_key[:, :, DEMAND], law
    count_days(ctx, part.scenario, keys, *figures)
    count_events(ctx, part.scenario, cells, *figures)
    kept = np.flatnonzero(count)
    key, bucket = cells.key_and_bucket(kept)
    owner = keys.select(*KEY).take(key)
    stored = owner.with_columns(bucket_index=bucket, count_n=count[kept])
    return {"s3_bucket_counts_5B": stored, "s3_count_summary_5B": _summary(keys, by_key, a_day)}


def _compare(ctx: PartitionContext, scenario: str, rows: tuple[int, int], cells: Cells, mean: Array) -> None:
    """Where the intensity is published: row by row, it is what is counted here."""
    if not ctx.publishes(REALISED, scenario):
        return
    first, stop = (row * cells.buckets for row in rows)
    found = ctx.load(REALISED, scenario=scenario, rows=(first, stop), columns=("lambda_realised",))
    ctx.count(Counts.compared, len(found))
    ctx.count(Counts.apart, int((found.lambda_realised != mean).sum()))


def _enter_draws(
    ctx: PartitionContext, scenario: str, cells: Cells, mean: Array, entity: Array, total: Array, peak: Array
) -> None:
    """The ledger: sums, or every cell that drew where the run publishes events."""
    if ctx.lists_events:
        drawn = np.flatnonzero(mean > 0.0)
        key, bucket = cells.key_and_bucket(drawn)
        at = ctx.address(STREAM, bucket_index=bucket, demand_key=entity[key])
        names = {name: cells.keys[name][key] for name in KEY} | {"bucket_index": bucket}
        draws = pieces(ctx, mean[drawn]).astype(np.uint32)
        ctx.ledger(at, draws=draws, scenario=scenario, names=names)
        return
    entered = (int(total[POSITIVE]), int(total[DRAWS]), int(total[BLOCKS]))
    most = int(pieces(ctx, peak).max(initial=0))
    ctx.ledger_sums(STREAM, entered, most=most, scenario=scenario)


def _kappa(ctx: Context, keys: Frame) -> Array:
    """Dispersion of each key; 0 means Poisson."""
    policy = ctx.params.arrival_count_config_5B
    if policy.law == "poisson":
        return np.zeros(len(keys), dtype=np.float64)
    kappa = by_code(policy.kappa_base, ctx.vocabulary("scenario_band"))[keys.scenario_band]
    kappa = kappa * by_code(policy.kappa_class, ctx.vocabulary("demand_class"))[keys.demand_class]
    bounded: Array = np.minimum(np.maximum(kappa, policy.kappa_range[0]), policy.kappa_range[1])
    return bounded


def pieces(ctx: Context, mu: Array) -> Array:
    """Draws of each row: the least number of pieces of at most `part_mean` that add up to mu."""
    size = np.float64(ctx.params.arrival_count_config_5B.part_mean)
    pieces = np.floor(mu / size)
    pieces += pieces * size < mu
    return pieces.astype(np.int64)


def _refuse_large(ctx: Context, peak: Array) -> None:
    most = float(ctx.params.arrival_count_config_5B.largest_mean)
    if bool((peak > most).any()):
        refuse(
            ctx,
            "MEAN_TOO_LARGE",
            "a bucket expects more arrivals than its address has room for",
            found=f"{float(peak.max())} arrivals expected; so large in {int((peak > most).sum())} key-days",
            expected=f"at most {most}",
            at="arrival_count_config_5B.largest_mean",
            do="lower demand_policy_5A.volume_scale or the overlays of scenarios_5A, or use shorter buckets",
            error=ValidationError,
        )


def _summary(keys: Frame, sums: Array, a_day: int) -> Frame:
    """One row a merchant and UTC day: partitions hold whole merchants."""
    starts = run_starts(keys.merchant_id)
    days = sums.shape[1]
    of_day = np.add.reduceat(sums[:, :, :MOMENTS], starts, axis=0).reshape(-1, MOMENTS)
    cells = np.repeat(np.diff(np.append(starts, len(keys))) * a_day, days)
    return Frame(
        {
            "merchant_id": np.repeat(keys.merchant_id[starts], days),
            "utc_day": np.tile(np.arange(days, dtype=np.uint32), len(starts)),
            "arrivals": np.ascontiguousarray(of_day[:, ARRIVALS]),
            "stored_rows": of_day[:, STORED].astype(np.uint32),
            "zero_rows": (cells - of_day[:, STORED].astype(np.int64)).astype(np.uint32),
            "expected_q": np.ascontiguousarray(of_day[:, EXPECTED]),
        }
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean and dispersion against the law, by class; draws against the means."""
    seen = Counts(totals)
    drawn = totals.drawn(STREAM)
    found = [drawn.entities, drawn.draws]
    expected = [seen.positive_rows, seen.pieces]
    ledger = Check(
        f"ledger {STREAM}",
        found == expected,
        found,
        expected,
        "rows with demand, and ceil(mu / part_mean) draws for each",
    )
    note = f"of {seen.compared} published cells of realised intensity"
    same = Check("intensity as published", seen.apart == 0, seen.apart, 0, note)
    return [
        *dispersion_checks(ctx, totals),
        ledger,
        same,
        *day_checks(ctx, totals),
        *event_checks(ctx, totals),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How far counts scatter about their means, over all classes, and how many buckets stay empty."""
    seen, sums = Counts(totals), ClassCounts(totals)
    names = [name for name, mu in sums.mu.items() if real(mu) > 0.0]
    squares, mu, variance = (
        sum(real(figure[name]) for name in names) for figure in (sums.squares, sums.mu, sums.variance)
    )
    figures = {"found": squares / max(1.0, mu), "law": variance / max(1.0, mu)}
    stored, rows = seen.stored_rows, seen.rows
    return [
        Measurement(
            "index of dispersion", figures, "", "sum of (N - mu)^2 over sum of mu, all rows; 1 for Poisson"
        ),
        Measurement("empty buckets", (rows - stored) / max(1, rows), "share", "of all keys and buckets"),
    ]

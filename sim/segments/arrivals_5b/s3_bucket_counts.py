"""5B.S3: how many arrivals fall in each bucket.

N ~ NB2(mu, kappa): mean mu, variance mu + mu^2 / kappa (Hilbe 2011, eq. 8.6), or Poisson by policy, drawn by
exact inversion. Rows with mu = 0 draw nothing; rows with N = 0 are counted in the summary, not stored.
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.entities import ENTITY_NEEDS, zone_entity
from sim.recipes.groups import run_offsets, sum_by_run
from sim.segments.arrivals_5b.count_checks import (
    COUNT_CHECKS_NEEDS,
    ClassCounts,
    count_moments,
    dispersion_checks,
)
from sim.segments.arrivals_5b.fields import by_code
from sim.segments.arrivals_5b.keys import KEY, KEYS_NEEDS, key_of_row
from sim.segments.arrivals_5b.s1_grid_and_groups import DAY_US
from sim.segments.arrivals_5b.sums import real
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """Rows with demand and the draws they must take; rows in all, and rows stored."""

    positive_rows = Scalar()
    pieces = Scalar()
    rows = Scalar()
    stored_rows = Scalar()


STATE = State(
    id="5B.S3",
    title="Bucket counts",
    reads={"s1_time_grid_5B": ROW_LEVEL, "s1_grouping_5B": ROW_LEVEL, "s2_realised_intensity_5B": ROW_LEVEL},
    config=("arrival_count_config_5B",),
    writes=("s3_bucket_counts_5B", "s3_count_summary_5B"),
    streams=("5B.bucket_count",),
    kernels=("draw_counts",),
    per_scenario=True,
    counts=(Counts, ClassCounts),
    uses=(COUNT_CHECKS_NEEDS, ENTITY_NEEDS, KEYS_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """One partition in, one partition out."""
    return [
        Partition(part, scenario)
        for scenario in ctx.scenarios
        for part in range(len(ctx.files("s2_realised_intensity_5B", scenario)))
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Counts of one file of intensities."""
    rows = ctx.load("s2_realised_intensity_5B", scenario=part.scenario, part=part.index)
    keys = _keys(ctx, part, rows)
    key_row = key_of_row(ctx, keys, rows)
    kappa = _kappa(ctx, keys)[key_row]
    _refuse_large(ctx, rows.lambda_realised)
    entity = zone_entity(ctx, keys.merchant_id, keys.legal_country_iso, keys.tzid, keys.channel_group)
    at = ctx.address("5B.bucket_count", bucket_index=rows.bucket_index, demand_key=entity[key_row])
    count, draws = ctx.kernels.draw_counts(
        key=ctx.stream("5B.bucket_count"),
        c0=at.c0,
        c1=at.c1,
        mu=rows.lambda_realised,
        kappa=kappa,
        part_mean=ctx.params.arrival_count_config_5B.part_mean,
        zero_truncated=0,
    )
    drawn = draws > 0
    ctx.ledger(
        at.take(drawn),
        draws=draws[drawn],
        scenario=part.scenario,
        names={name: rows[name][drawn] for name in (*KEY, "bucket_index")},
    )
    ctx.count(Counts.positive_rows, int((rows.lambda_realised > 0.0).sum()))
    ctx.count(Counts.pieces, int(pieces(ctx, rows.lambda_realised).sum()))
    ctx.count(ClassCounts.in_scenario[part.scenario], int(count.sum(dtype=np.int64)))
    count_moments(ctx, keys.demand_class[key_row], rows.lambda_realised, kappa, count)
    kept = np.flatnonzero(count)
    ctx.count(Counts.rows, len(count))
    ctx.count(Counts.stored_rows, len(kept))
    names = ("merchant_id", "bucket_index", "legal_country_iso", "tzid", "channel_group")
    stored = rows.select(*names).take(kept).with_columns(count_n=count[kept])
    return {"s3_bucket_counts_5B": stored, "s3_count_summary_5B": _summary(ctx, part, rows, count)}


def _keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    grouping = ctx.load(
        "s1_grouping_5B", scenario=part.scenario, columns=(*KEY, "scenario_band", "demand_class")
    )
    first = int(np.searchsorted(grouping.merchant_id, rows.merchant_id[0], side="left"))
    stop = int(np.searchsorted(grouping.merchant_id, rows.merchant_id[-1], side="right"))
    return grouping.slice(first, stop)


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


def _refuse_large(ctx: Context, mu: Array) -> None:
    most = float(ctx.params.arrival_count_config_5B.largest_mean)
    if bool((mu > most).any()):
        refuse(
            ctx,
            "MEAN_TOO_LARGE",
            "a bucket expects more arrivals than its address has room for",
            found=f"{float(mu.max())} arrivals expected in {int((mu > most).sum())} buckets",
            expected=f"at most {most}",
            at="arrival_count_config_5B.largest_mean",
            do="lower demand_policy_5A.volume_scale or the overlays of scenarios_5A, or use shorter buckets",
            error=ValidationError,
        )


def _summary(ctx: Context, part: Partition, rows: Frame, count: Array) -> Frame:
    """One row a merchant and UTC day: partitions hold whole merchants."""
    grid = ctx.load("s1_time_grid_5B", scenario=part.scenario)
    a_day = DAY_US // int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0])
    day = rows.bucket_index // np.uint32(a_day)
    offsets = run_offsets(rows.merchant_id, day)
    first = offsets[:-1].astype(np.int64)
    width = np.diff(offsets)
    stored = sum_by_run((count > 0).astype(np.uint64), offsets)
    return Frame(
        {
            "merchant_id": rows.merchant_id[first],
            "utc_day": day[first],
            "arrivals": sum_by_run(count.astype(np.uint64), offsets),
            "stored_rows": stored.astype(np.uint32),
            "zero_rows": (width - stored).astype(np.uint32),
            "expected_q": sum_by_run(
                np.floor(rows.lambda_realised * np.float64(1 << 20)).astype(np.uint64), offsets
            ),
        }
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Mean and dispersion against the law, by class; draws against the means."""
    seen, stream = Counts(totals), "5B.bucket_count"
    drawn = totals.drawn(stream)
    found = [drawn.entities, drawn.draws]
    expected = [seen.positive_rows, seen.pieces]
    ledger = Check(
        f"ledger {stream}",
        found == expected,
        found,
        expected,
        "rows with demand, and ceil(mu / part_mean) draws for each",
    )
    return [*dispersion_checks(ctx, totals), ledger]


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

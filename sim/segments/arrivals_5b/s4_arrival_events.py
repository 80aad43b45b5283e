"""5B.S4: every count becomes that many arrivals, each with an instant, a place and a kind.

Instant: a slot by the class's minute-of-hour profile on the zone's clock, uniform inside the slot; in an hour
in which sites open or close, one of the slots that are open, each as likely. Place: the
key's own coin says site or edge, the key's own alias table says which, and at a site that of its terminals
says at which of them. The lower part of the coin of arrivals at edges says which of them recur. Arrivals are
put in time order inside each (merchant, bucket); buckets are in order already.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.audits import ledger_check
from sim.recipes.entities import ENTITY_NEEDS, zone_entity
from sim.recipes.groups import run_offsets
from sim.segments.arrivals_5b.clock import CLOCK_NEEDS, Clock, clock_of
from sim.segments.arrivals_5b.day_sums import day_summary
from sim.segments.arrivals_5b.keys import KEY, KEYS_NEEDS, key_of_row
from sim.segments.arrivals_5b.open_parts import CLOCKS, HOURS, OPEN_PARTS_NEEDS, OpenParts, open_parts
from sim.segments.arrivals_5b.profiles import PROFILES_NEEDS, Profiles, profiles_of
from sim.segments.arrivals_5b.routes import ROUTES_NEEDS, TERMINALS, TILL, Routes, routes_of
from sim.segments.arrivals_5b.slices import SLICES_NEEDS, cut, days_with_arrivals, merchants_of, spec_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """Arrivals made, and those there had to be."""

    arrivals = Scalar()
    planned = Scalar()
    virtual = Scalar()
    till_draws = Scalar()


PLACE, ROUTE = "5B.arrival_place", "5B.arrival_route"

STATE = State(
    id="5B.S4",
    title="Arrival events",
    reads={
        "s1_time_grid_5B": ROW_LEVEL,
        "s3_bucket_counts_5B": ROW_LEVEL,
        "merchant_zone_profile_5A": ROW_LEVEL,
        "s6_merchant_clocks_5A": ROW_LEVEL,
        "s6_opening_hours_5A": ROW_LEVEL,
        "s2_alias_2B": ROW_LEVEL,
        "edge_alias_3B": ROW_LEVEL,
        "virtual_settlement_3B": ROW_LEVEL,
        TERMINALS: ROW_LEVEL,
    },
    config=("arrival_placement_policy_5B",),
    writes=("arrival_events_5B", "s4_arrival_summary_5B"),
    streams=(PLACE, ROUTE, TILL),
    kernels=("expand_rows", "label_arrivals", "place_in_bucket", "route_arrivals"),
    per_scenario=True,
    resident=True,
    counts=(Counts,),
    uses=(
        CLOCK_NEEDS,
        ENTITY_NEEDS,
        KEYS_NEEDS,
        OPEN_PARTS_NEEDS,
        PROFILES_NEEDS,
        ROUTES_NEEDS,
        SLICES_NEEDS,
    ),
)

_SOURCES = (
    "merchant_zone_profile_5A",
    "s2_alias_2B",
    "edge_alias_3B",
    "virtual_settlement_3B",
    TERMINALS,
    CLOCKS,
    HOURS,
)
_LOW = np.uint64(0xFFFFFFFF)


def plan(ctx: Context) -> list[Partition]:
    """Whole merchant-days, about `arrivals_a_partition` arrivals each."""
    sources = merchants_of(ctx, *_SOURCES)
    parts = []
    for scenario in ctx.scenarios:
        days = days_with_arrivals(ctx, scenario)
        edges = cut(days, int(ctx.params.arrival_placement_policy_5B.arrivals_a_partition))
        for index, (first, stop) in enumerate(pairwise(edges)):
            parts.append(Partition(index, scenario, spec_of(days, first, stop, sources)))
    return parts


@dataclass(frozen=True)
class Placed:
    """The arrivals of a partition in time order.

    Attributes:
        counts: Its rows of s3_bucket_counts_5B.
        keys: Keys of its merchants.
        key_row: uint32, one a count: its key.
        entity: uint64, one a count: entity of its key.
        parts: Open parts of their buckets.
        offset: uint64, counts + 1: arrivals of each count before time order.
        row: One an arrival before time order: its count.
        rank: One an arrival before time order: its place among those of its count.
        packed: uint64, one an arrival in time order: offset in its bucket in us << 32 | position before time
            order.
        runs: uint64: counts of each merchant and bucket.
    """

    counts: Frame
    keys: Frame
    key_row: Array
    entity: Array
    parts: OpenParts
    offset: Array
    row: Array
    rank: Array
    packed: Array
    runs: Array


def placed(ctx: PartitionContext, part: Partition, grid: Frame, clock: Clock) -> Placed:
    """Draw the instant of every arrival of a partition and put them in order.

    Raises:
        ValidationError: `5B.S4.COUNTS_NOT_CONSERVED`.
    """
    counts = ctx.load("s3_bucket_counts_5B", scenario=part.scenario, rows=tuple(part.spec["rows"]))
    keys = ctx.load("merchant_zone_profile_5A", rows=tuple(part.spec["merchant_zone_profile_5A"]))
    key_row = key_of_row(ctx, keys, counts)
    entity = zone_entity(ctx, keys.merchant_id, keys.legal_country_iso, keys.tzid, keys.channel_group)[
        key_row
    ]
    offset = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(counts.count_n.astype(np.uint64))])
    total = int(offset[-1])
    if total != part.spec["arrivals"]:
        refuse(
            ctx,
            "COUNTS_NOT_CONSERVED",
            "counts and their summary disagree",
            found=f"{total} arrivals in rows {part.spec['rows']} of s3_bucket_counts_5B",
            expected=f"{part.spec['arrivals']} by s3_count_summary_5B",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 5B.S3",
            error=ValidationError,
        )
    # From here on one row is one arrival: what is expanded on a device stays there until it is published.
    row, rank = ctx.kernels.expand_rows(offset=ctx.columns.place(offset), dims={"m": total})
    parts = open_parts(ctx, part, counts, keys, key_row, grid, clock)
    packed = _placed(ctx, counts, keys, key_row, entity, (row, rank), grid, clock, parts)
    runs = run_offsets(counts.merchant_id, counts.bucket_index)
    ctx.sort_segments(packed, offset[runs.astype(np.int64)])
    return Placed(counts, keys, key_row, entity, parts, offset, row, rank, packed, runs)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Arrivals of a run of merchant-days."""
    grid, clock = ctx.load("s1_time_grid_5B", scenario=part.scenario), clock_of(ctx)
    made = placed(ctx, part, grid, clock)
    counts, keys, key_row, entity = made.counts, made.keys, made.key_row, made.entity
    row, rank, packed, offset, runs = made.row, made.rank, made.packed, made.offset, made.runs
    routes, total, bounds = (
        routes_of(ctx, part, keys, key_row, made.parts),
        int(offset[-1]),
        offset[runs.astype(np.int64)],
    )
    events, virtual = _routed(ctx, counts, keys, key_row, entity, (row, rank), packed, grid, routes, clock)
    head, size = runs[:-1].astype(np.int64), np.diff(bounds).astype(np.int64)
    of_bucket = ctx.columns.repeat(counts.select("merchant_id", "bucket_index").take(head), size)
    events = events.with_columns(
        merchant_id=of_bucket.merchant_id,
        bucket_index=of_bucket.bucket_index,
        arrival_seq=_numbered(ctx, counts, offset, int(part.spec["first_seq"])),
    )
    # A count row's arrivals have consecutive ranks, hence consecutive counters.
    names = counts.select(*KEY, "bucket_index")
    for stream in (PLACE, ROUTE):
        at = ctx.address(stream, bucket_index=counts.bucket_index, arrival_rank=0, demand_key=entity)
        ctx.ledger(at, entities=counts.count_n, scenario=part.scenario, names=dict(names.items()))
    tills = np.flatnonzero(routes.tills[key_row])
    sold = counts.take(tills)
    at = ctx.address(TILL, bucket_index=sold.bucket_index, arrival_rank=0, demand_key=entity[tills])
    ctx.ledger(at, entities=sold.count_n, scenario=part.scenario, names=dict(names.take(tills).items()))
    ctx.count(Counts.arrivals, total)
    ctx.count(Counts.planned, int(part.spec["arrivals"]))
    ctx.count(Counts.virtual, int(virtual.sum()))
    went = ctx.on_host(np.bincount(row[(packed[virtual] & _LOW).astype(np.int64)], minlength=len(counts)))
    # Whoever went elsewhere drew a terminal that nobody asks for.
    ctx.count(Counts.till_draws, int(events.present("terminal_id").sum()) + int(went[tills].sum()))
    return {
        "arrival_events_5B": events,
        "s4_arrival_summary_5B": day_summary(counts, keys, key_row, went, grid),
    }


def _placed(
    ctx: PartitionContext,
    counts: Frame,
    keys: Frame,
    key_row: Array,
    entity: Array,
    source: tuple[Array, Array],
    grid: Frame,
    clock: Clock,
    parts: OpenParts,
) -> Array:
    """Offset in the bucket in us << 32 | position, one an arrival."""
    profiles: Profiles = profiles_of(ctx, int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0]))
    minute = clock.minute_of_hour(ctx, grid.bucket_start_utc[counts.bucket_index], counts.tzid)
    table = profiles.table_of(keys.demand_class[key_row], minute)
    packed: Array = ctx.kernels.place_in_bucket(
        key=ctx.stream(PLACE),
        row=source[0],
        rank=source[1],
        entity=entity,
        bucket=counts.bucket_index,
        table=table,
        open_from=parts.first,
        open_to=parts.stop,
        slots=profiles.slots,
        slot_us=profiles.slot_us,
        threshold=profiles.tables.threshold,
        alias=profiles.tables.alias,
    )
    return packed


def _routed(
    ctx: PartitionContext,
    counts: Frame,
    keys: Frame,
    key_row: Array,
    entity: Array,
    source: tuple[Array, Array],
    packed: Array,
    grid: Frame,
    routes: Routes,
    clock: Clock,
) -> tuple[Frame, Array]:
    """Columns of the arrivals in time order, and which are virtual."""
    given: dict[str, Any] = dict(routes.arguments)
    ts, arrival_key, virtual, site, edge, terminal, kind = ctx.kernels.route_arrivals(
        key=ctx.stream(ROUTE),
        packed=packed,
        row=source[0],
        rank=source[1],
        entity=entity,
        bucket=counts.bucket_index,
        key_row=key_row,
        bucket_start=grid.bucket_start_utc,
        **given,
    )
    country, zone, channel, settlement = ctx.kernels.label_arrivals(
        arrival_key=arrival_key,
        virtual=virtual,
        key_country=keys.legal_country_iso,
        key_zone=keys.tzid,
        key_channel=keys.channel_group,
        key_settlement=routes.settlement,
    )
    online = virtual.view(np.bool_)
    columns = {
        "legal_country_iso": country,
        "zone_representation": zone,
        "channel_group": channel,
        "ts_utc": ts,
        "tzid_primary": zone,
        "utc_offset_minutes": clock.minutes(ctx, ts, zone),
        "tzid_settlement": settlement,
        "is_virtual": online,
        "site_id": site,
        "edge_id": edge,
        "terminal_id": terminal,
        "arrival_kind": kind,
    }
    return Frame(columns, {"site_id": ~online, "edge_id": online, "terminal_id": terminal != 0}), online


def _numbered(ctx: PartitionContext, counts: Frame, offset: Array, first_seq: int) -> Array:
    """Running number within the merchant, in time order.

    The first merchant goes on where the partition before ended.
    """
    merchants = run_offsets(counts.merchant_id)
    bounds = offset[merchants.astype(np.int64)].astype(np.int64)
    before = -bounds[:-1]
    before[0] += first_seq - 1
    # Sums modulo 2**32 of what is -bounds + position: exact, and half the memory of int64.
    number: Array = ctx.columns.repeat(before.astype(np.uint32), np.diff(bounds))
    number += ctx.columns.xp.arange(1, len(number) + 1, dtype=np.uint32)
    return number


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """As many arrivals as counted, each with two draws from each stream, and one where there are tills."""
    seen = Counts(totals)
    arrivals, planned = seen.arrivals, seen.planned
    return [
        Check("arrivals", arrivals == planned > 0, arrivals, planned, "one row for each counted arrival"),
        *(ledger_check(totals, stream, arrivals, 2) for stream in (PLACE, ROUTE)),
        ledger_check(totals, TILL, seen.till_draws, 1),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Share of arrivals without a till: it is decided upstream."""
    seen = Counts(totals)
    return [Measurement("virtual share", seen.virtual / max(1, seen.arrivals), "share", "of all arrivals")]

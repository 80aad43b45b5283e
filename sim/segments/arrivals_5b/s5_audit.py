"""5B.S5: audit of every published arrival, derived from other sources than those it was made from.

Counts: recounted and compared with s3_bucket_counts_5B, key by key and bucket by bucket. Time: grid,
transition table, order, numbering. Place and terminal: sorted catalogues, no alias tables. Laws: chi-square
of places, overall and in the busiest merchant-hours, of terminals and of slots; entropy of places inside
buckets; the coins. Kinds: from channel, trade and hour. As the recount is exact, 5B.S3's dispersion holds.
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_offsets
from sim.segments.arrivals_5b.clock import CLOCK_NEEDS, Clock, clock_of
from sim.segments.arrivals_5b.keys import KEYS_NEEDS, key_of_row, settlement_of_key
from sim.segments.arrivals_5b.kind_audit import (
    KIND_AUDIT_NEEDS,
    KindCounts,
    count_kinds,
    kind_checks,
    kind_measures,
)
from sim.segments.arrivals_5b.members import MEMBERS_NEEDS, TERMINALS, Members, members_of
from sim.segments.arrivals_5b.open_parts import CLOCKS, HOURS, OPEN_PARTS_NEEDS, OpenParts, open_parts
from sim.segments.arrivals_5b.pick_checks import (
    PICK_CHECKS_NEEDS,
    chi_square_check,
    coin_check,
    collision_check,
)
from sim.segments.arrivals_5b.pick_sums import ChiSquareCounts, CollisionCounts, count_chi_square
from sim.segments.arrivals_5b.place_audit import PLACE_AUDIT_NEEDS, CoinCounts, count_places, count_terminals
from sim.segments.arrivals_5b.profiles import PROFILES_NEEDS, profiles_of
from sim.segments.arrivals_5b.routes import ALWAYS, coin_of
from sim.segments.arrivals_5b.slices import SLICES_NEEDS, days_with_arrivals, merchants_of, spec_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals

TIME_FAULTS = ("outside its bucket", "wrong civil offset", "out of time order", "wrong arrival_seq")
PLACE_FAULTS = ("no count row", "not exactly one id", "not a member", "wrong zone", "wrong terminal")
_PICKS = {
    "places": "sites and edges of every key against their weights",
    "terminals": "terminals of every site against their shares of its work",
    "busiest hours": "sites and edges inside single merchant-hours with the most arrivals",
    "slots of the hour": "arrivals by class, first slot of the bucket and slot, against the profiles",
    "slots from opening on": "arrivals in buckets open in part by the width of that part and slot, all alike",
}


class Counts(Counters):
    """Rows looked at again, and what is wrong with them."""

    rows = Scalar()
    zone = Vector("tzid")
    virtual = Scalar()
    count_rows = Scalar()
    wrong_counts = Scalar()
    faults = Each(TIME_FAULTS + PLACE_FAULTS, Scalar())
    outside_hours = Scalar()


STATE = State(
    id="5B.S5",
    title="Arrival audit",
    reads={
        "arrival_events_5B": ROW_LEVEL,
        "s1_time_grid_5B": ROW_LEVEL,
        "s3_bucket_counts_5B": ROW_LEVEL,
        "merchant_zone_profile_5A": ROW_LEVEL,
        "s6_merchant_clocks_5A": ROW_LEVEL,
        "s6_opening_hours_5A": ROW_LEVEL,
        "s1_site_weights_2B": ROW_LEVEL,
        "site_timezones": ROW_LEVEL,
        "edge_catalogue_3B": ROW_LEVEL,
        "virtual_settlement_3B": ROW_LEVEL,
        TERMINALS: ROW_LEVEL,
    },
    config=("arrival_placement_policy_5B", "arrival_routing_policy_5B", "realism_gates_5B"),
    writes=(),
    kernels=("recount_buckets", "verify_arrivals", "verify_routes"),
    per_scenario=True,
    resident=True,
    counts=(Counts, ChiSquareCounts, CollisionCounts, CoinCounts, KindCounts),
    uses=(
        CLOCK_NEEDS,
        KEYS_NEEDS,
        KIND_AUDIT_NEEDS,
        MEMBERS_NEEDS,
        OPEN_PARTS_NEEDS,
        PICK_CHECKS_NEEDS,
        PLACE_AUDIT_NEEDS,
        PROFILES_NEEDS,
        SLICES_NEEDS,
    ),
)

_SOURCES = (
    "merchant_zone_profile_5A",
    "s1_site_weights_2B",
    "site_timezones",
    "edge_catalogue_3B",
    "virtual_settlement_3B",
    TERMINALS,
    CLOCKS,
    HOURS,
)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of arrivals, matched with the merchant-days its rows must be."""
    sources = merchants_of(ctx, *_SOURCES)
    parts = []
    for scenario in ctx.scenarios:
        days = days_with_arrivals(ctx, scenario)
        files = ctx.files("arrival_events_5B", scenario)
        ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum([file.rows for file in files])])
        edges = np.searchsorted(days.arrivals, ends)
        if ends[-1] != days.arrivals[-1] or not np.array_equal(days.arrivals[edges], ends):
            refuse(
                ctx,
                "COUNTS_NOT_CONSERVED",
                "the files of arrival_events_5B do not hold whole merchant-days as counted",
                found=f"{int(ends[-1])} arrivals in {len(files)} files",
                expected=f"{int(days.arrivals[-1])} arrivals in {len(days)} merchant-days",
                do="closedworld verify RUN --deep; if it passes, this is a defect of 5B.S4",
                error=ValidationError,
            )
        for index, (first, stop) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
            parts.append(Partition(index, scenario, spec_of(days, first, stop, sources)))
    return parts


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Audit one file."""
    events = ctx.load("arrival_events_5B", scenario=part.scenario, part=part.index, device=True)
    counts = ctx.load("s3_bucket_counts_5B", scenario=part.scenario, rows=tuple(part.spec["rows"]))
    keys = ctx.load("merchant_zone_profile_5A", rows=tuple(part.spec["merchant_zone_profile_5A"]))
    key_row = key_of_row(ctx, keys, counts)
    runs, bounds, row = _recount(ctx, events, counts)
    slot = _times(ctx, part, events)
    members = members_of(ctx, part, keys)
    member = _routes(ctx, part, events, keys, key_row, row, members)
    ctx.count(Counts.rows, len(events))
    zones = np.bincount(events.zone_representation, minlength=len(ctx.vocabulary("tzid")))
    ctx.count(Counts.zone, ctx.on_host(zones))
    ctx.count(Counts.virtual, int(events.is_virtual.sum()))
    grid, clock = ctx.load("s1_time_grid_5B", scenario=part.scenario), clock_of(ctx)
    parts = open_parts(ctx, part, counts, keys, key_row, grid, clock)
    _count_slots(ctx, (counts, keys, key_row), (row, slot), grid, clock, parts)
    _count_outside(ctx, row, slot, ctx.on_host(events.is_virtual), parts)
    count_kinds(ctx, events, (keys, key_row, row), parts)
    count_places(ctx, counts, parts.virtual_share, (runs, bounds), row, member, members)
    return {}


def _recount(ctx: PartitionContext, events: Frame, counts: Frame) -> tuple[Array, Array, Array]:
    """Runs of count rows of one (merchant, bucket), their arrivals, and each arrival's count row."""
    runs = run_offsets(counts.merchant_id, counts.bucket_index)
    offset = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(counts.count_n.astype(np.uint64))])
    bounds = offset[runs.astype(np.int64)]
    tally, row = ctx.kernels.recount_buckets(
        row_offset=runs,
        arrival_offset=bounds,
        row_merchant=counts.merchant_id,
        row_bucket=counts.bucket_index,
        row_country=counts.legal_country_iso,
        row_zone=counts.tzid,
        row_channel=counts.channel_group,
        merchant=events.merchant_id,
        bucket=events.bucket_index,
        country=events.legal_country_iso,
        zone=events.zone_representation,
        channel=events.channel_group,
    )
    ctx.count(Counts.count_rows, len(counts))
    ctx.count(Counts.wrong_counts, int((ctx.on_host(tally) != counts.count_n).sum()))
    return runs, bounds, ctx.on_host(row)


def _times(ctx: PartitionContext, part: Partition, events: Frame) -> Array:
    grid, clock = ctx.load("s1_time_grid_5B", scenario=part.scenario), clock_of(ctx)
    fault, slot = ctx.kernels.verify_arrivals(
        first_seq=part.spec["first_seq"],
        merchant=events.merchant_id,
        bucket=events.bucket_index,
        seq=events.arrival_seq,
        ts_us=events.ts_utc,
        zone=events.tzid_primary,
        minutes=events.utc_offset_minutes,
        bucket_start=grid.bucket_start_utc,
        bucket_us=int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0]),
        slot_us=int(ctx.params.arrival_placement_policy_5B.slot_seconds) * 1_000_000,
        zone_offset=clock.zone_offset,
        transition_us=clock.transition_us,
        transition_minutes=clock.transition_minutes,
    )
    _count_faults(ctx, TIME_FAULTS, fault)
    return ctx.on_host(slot)


def _routes(
    ctx: PartitionContext,
    part: Partition,
    events: Frame,
    keys: Frame,
    key_row: Array,
    row: Array,
    members: Members,
) -> Array:
    coin, settlement = coin_of(keys.virtual_share), keys.tzid
    if ctx.params.arrival_routing_policy_5B.virtual_settlement == "merchant":
        settlement = settlement_of_key(
            keys, ctx.load("virtual_settlement_3B", rows=tuple(part.spec["virtual_settlement_3B"]))
        )
    fault, member, terminal = ctx.kernels.verify_routes(
        row=row,
        virtual=events.is_virtual.view(np.uint8),
        site_id=events.site_id,
        site_present=_present(ctx, events, "site_id"),
        edge_id=events.edge_id,
        edge_present=_present(ctx, events, "edge_id"),
        terminal_id=events.terminal_id,
        terminal_present=_present(ctx, events, "terminal_id"),
        primary=events.tzid_primary,
        settlement=events.tzid_settlement,
        key_row=key_row,
        key_zone=keys.tzid,
        key_settlement=settlement,
        may_virtual=(coin > 0).astype(np.uint8),
        may_physical=(coin != ALWAYS).astype(np.uint8),
        site_first=members.site_first,
        site_count=members.site_count,
        edge_first=members.edge_first,
        edge_count=members.edge_count,
        member_id=members.id,
        till_first=members.till_first,
        till_count=members.till_count,
        till_id=members.till_id,
    )
    _count_faults(ctx, PLACE_FAULTS, fault)
    count_terminals(ctx, ctx.on_host(terminal), members)
    return ctx.on_host(member)


def _present(ctx: PartitionContext, events: Frame, name: str) -> Array:
    mask = events.valid.get(name)
    ones: Array = ctx.columns.xp.ones(len(events), dtype=np.uint8) if mask is None else mask.view(np.uint8)
    return ones


def _count_faults(ctx: PartitionContext, names: tuple[str, ...], fault: Array) -> None:
    for bit, name in enumerate(names):
        ctx.count(Counts.faults[name], int((fault & np.uint8(1 << bit) != 0).sum()) if fault.any() else 0)


def _count_slots(
    ctx: PartitionContext,
    own: tuple[Frame, Frame, Array],
    found: tuple[Array, Array],
    grid: Frame,
    clock: Clock,
    parts: OpenParts,
) -> None:
    """Arrivals by profile and slot, and in buckets open in part by slot from opening on.

    Arrivals with a fault are left out, they have failed already.

    Args:
        ctx: Context.
        own: Count rows, keys, and the key of each count row.
        found: Count row and slot of each arrival.
        grid: The time grid.
        clock: The timetable.
        parts: Open parts of the count rows' buckets.
    """
    (counts, keys, key_row), (row, slot) = own, found
    profiles = profiles_of(ctx, int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0]))
    minute = clock.minute_of_hour(ctx, grid.bucket_start_utc[counts.bucket_index], counts.tzid)
    table = profiles.table_of(keys.demand_class[key_row], minute)
    sound = (row < np.uint32(len(counts))) & (slot < profiles.slots)
    width = parts.stop.astype(np.int64) - parts.first
    whole = np.zeros(len(row), dtype=np.bool_)
    whole[sound] = width[row[sound]] == profiles.slots
    tally = np.bincount(table[row[whole]] + slot[whole], minlength=len(profiles.weight))
    least = float(ctx.params.realism_gates_5B.routing.least_expected)
    count_chi_square(ctx, "slots of the hour", tally, profiles.weight, profiles.tables.offsets, least)
    partly = np.flatnonzero(sound & ~whole)
    since = slot[partly].astype(np.int64) - parts.first[row[partly]]
    size = width[row[partly]]
    inside = (since >= 0) & (since < size)
    offsets = np.cumsum(np.arange(profiles.slots + 1)).astype(np.uint64)  # one group a width, from 1 on
    tally = np.bincount(size[inside] * (size[inside] - 1) // 2 + since[inside], minlength=int(offsets[-1]))
    even = np.ones(int(offsets[-1]), dtype=np.uint64)
    count_chi_square(ctx, "slots from opening on", tally, even, offsets, least)


def _count_outside(ctx: PartitionContext, row: Array, slot: Array, virtual: Array, parts: OpenParts) -> None:
    """Arrivals at sites that were closed; those without a count row have failed already."""
    known = np.flatnonzero(row < np.uint32(len(parts.first)))
    at = row[known]
    open_then = (slot[known] >= parts.first[at]) & (slot[known] < parts.stop[at]) & ~parts.closed[at]
    ctx.count(Counts.outside_hours, int((~open_then & ~virtual[known]).sum()))


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """No fault in any row; laws within what an honest run may deviate."""
    seen = Counts(totals)
    faults = [
        Check(name, found == 0, found, 0, f"arrivals, of {seen.rows}") for name, found in seen.faults.items()
    ]
    wrong, count_rows = seen.wrong_counts, seen.count_rows
    return [
        Check(
            "conservation per key and bucket",
            wrong == 0,
            wrong,
            0,
            f"count rows, of {count_rows}, recounted otherwise",
        ),
        *faults,
        collision_check(ctx, totals),
        *(chi_square_check(ctx, totals, name, note) for name, note in _PICKS.items()),
        Check(
            "sites sell while open",
            seen.outside_hours == 0,
            seen.outside_hours,
            0,
            f"arrivals at closed sites, of {seen.rows - seen.virtual} at sites",
        ),
        coin_check(ctx, totals, "virtual", "virtual arrivals of keys with sites and edges"),
        coin_check(ctx, totals, "recurring", "recurring arrivals of keys and hours that have some"),
        *kind_checks(ctx, totals),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How concentrated arrivals are in zones, and how many are online, as recounted from their rows."""
    seen = Counts(totals)
    rows = max(1, seen.rows)
    zones = np.sort(seen.zone)[::-1]
    return [
        Measurement("top-10 time zones", int(zones[:10].sum()) / rows, "share", "of all arrivals"),
        Measurement("virtual share", seen.virtual / rows, "share", "of all arrivals"),
        *kind_measures(ctx, totals),
    ]

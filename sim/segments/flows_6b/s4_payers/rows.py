"""The arrivals of a partition as the kernel takes them: units, ranks of bills, slots of the units met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.join import look_up
from sim.segments.flows_6b.s4_payers.law import LAW_NEEDS, lives_of, span_of, strata
from sim.segments.flows_6b.s4_payers.tables import Tables
from sim.state.context import Context
from sim.state.declaration import Needs, Partition
from sim.state.frames import Array, Frame

ARRIVALS = "arrival_events_5B"
SLOT = "6B.slot"
AFAR, IN_PERSON, RECURRING = 0, 1, 2
DAY_US = 86_400_000_000
NEVER = 65_535
COLUMNS = (
    "merchant_id", "arrival_seq", "ts_utc", "utc_offset_minutes", "site_id", "edge_id", "terminal_id",
    "arrival_kind",
)  # fmt: skip

ROWS_NEEDS = Needs(
    config=("payer_law_6B",),
    kernels=("expand_rows", "fill_slots"),
    streams=(SLOT,),
    uses=(LAW_NEEDS,),
)


@dataclass(frozen=True)
class Met:
    """Arrivals with the units that they are made at.

    Attributes:
        number: int64: units of the merchants of the partition, ascending.
        unit: uint32, one an arrival: its unit, counted among those.
        mode: uint8: AFAR, IN_PERSON or RECURRING.
        rank: uint32: of a recurring arrival among those of its unit and UTC day, in time order.
        place: uint64: site or edge.
    """

    number: Array
    unit: Array
    mode: Array
    rank: Array
    place: Array


def met(ctx: Context, found: Tables, events: Frame) -> Met:
    """Units, kinds and ranks of arrivals.

    Args:
        ctx: Context.
        found: Tables.
        events: Rows of arrival_events_5B in their order, whole UTC days of merchants.
    """
    merchants = events.merchant_id[run_offsets(events.merchant_id)[:-1].astype(np.int64)]
    number = np.flatnonzero(np.isin(found.units.merchant_id, merchants))
    local = np.full(len(found.units), -1, dtype=np.int64)
    local[number] = np.arange(len(number))
    at_site = events.present("site_id")
    unit = np.empty(len(events), dtype=np.uint32)
    for rows, ids, units, name in (
        (np.flatnonzero(at_site), found.site_id, found.site_unit, "site_id"),
        (np.flatnonzero(~at_site), found.edge_id, found.edge_unit, "edge_id"),
    ):
        # Places of these merchants alone: a short table is searched in cache.
        mine = np.flatnonzero(local[units] >= 0)
        wanted = events[name] if len(rows) == len(events) else events[name][rows]
        unit[rows] = local[units[mine][look_up(ids[mine], wanted)]].astype(np.uint32)
    kind = events.arrival_kind
    recurs = kind == ctx.code("arrival_kind", "MIT_RECURRING")
    in_person = (kind == ctx.code("arrival_kind", "ATM")) | (
        (kind == ctx.code("arrival_kind", "CIT")) & at_site
    )
    mode = np.where(recurs, RECURRING, in_person).astype(np.uint8)
    rank = np.zeros(len(events), dtype=np.uint32)
    bills = np.flatnonzero(recurs)
    day = events.ts_utc[bills] // DAY_US - span_of(ctx).first
    key = (unit[bills].astype(np.uint64) << np.uint64(16)) | day.astype(np.uint64)
    order = np.argsort(key, kind="stable")
    offsets = run_offsets(key[order]).astype(np.int64)
    rank[bills[order]] = (np.arange(len(bills)) - offsets[:-1][run_of_row(offsets.astype(np.uint64))]).astype(
        np.uint32
    )
    return Met(number, unit, mode, rank, np.where(at_site, events.site_id, events.edge_id))


@dataclass(frozen=True)
class Slots:
    """Members of the units of a partition.

    Attributes:
        first: uint64, units + 1: first slot of each.
        row: uint32, one a slot: its unit.
        rank: uint32: its place among the unit's.
        party: uint32: row of the party that has it first.
        second: uint32: of the one that has it later.
        day: uint16: day from which it does; NEVER.
    """

    first: Array
    row: Array
    rank: Array
    party: Array
    second: Array
    day: Array


def slots_of(ctx: Context, found: Tables, number: Array) -> Slots:
    """Members of units (int64 numbers)."""
    mine = found.units.take(number)
    many = mine.slots.astype(np.uint64) + mine.strata_slots.astype(np.uint64) * np.uint64(strata(ctx))
    first = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(many)))
    row, rank = ctx.kernels.expand_rows(offset=first, dims={"m": int(first[-1])})
    given = found.given
    shift, days = lives_of(ctx)
    party, second, day = ctx.kernels.fill_slots(
        key=ctx.stream(SLOT),
        row=row,
        rank=rank,
        word=mine.word,
        cells_first=mine.cells_first,
        cells_size=mine.cells_size,
        cell_table=given["cell_table"],
        people_first=given["people_first"],
        people_table=given["people_table"],
        change_below=int(ctx.params.payer_law_6B.slots_change),
        days=days,
    )
    never = np.uint16(0xFFFF)
    day = np.where(day == never, never, day + np.uint16(shift))
    return Slots(first, row, rank, party, second, day)


def part_of(part: Partition) -> int:
    """File of arrivals of a partition."""
    return int(part.spec["file"])

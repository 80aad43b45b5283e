"""Addresses of the draws behind payers, for the ledger and for `explain`.

The kernel evaluates the days and seasons of all candidates, as often as rows ask for them. The ledger holds
those of the payers taken, one entry a row; and of outings, that of the payer who was out.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.words import WORDS_NEEDS, block_at
from sim.segments.flows_6b.s4_payers.law import span_of
from sim.segments.flows_6b.s4_payers.rows import NEVER, SLOT, Met, slots_of
from sim.segments.flows_6b.s4_payers.tables import Tables
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs, Partition
from sim.state.frames import Array, Frame

PAYER, OUTING, DAY, SEASON = "6B.payer", "6B.outing", "6B.party_day", "6B.party_season"
ONCE, BILLED = 1, 3
NOBODY = 252
MINUTE_US = 60_000_000
HABITS_NEEDS = Needs(
    config=("payer_law_6B",), streams=(PAYER, OUTING, DAY, SEASON, SLOT), uses=(WORDS_NEEDS,)
)


def triples_of(ctx: Context, made: Frame) -> Array:
    """Triples that each row looked at, from 1: int64; a billed row's block is one."""
    found = (made.tries >> 2).astype(np.int64)
    found = np.where(made.tries == NOBODY, int(ctx.params.payer_law_6B.triples), found)
    return np.maximum(found, 1)


def words_of(ctx: Context, made: Frame) -> Array:
    """Words that each row drew: int64."""
    return 2 + 8 * (triples_of(ctx, made) - 1)


def own_days(ctx: Context, found: Tables, events: Frame, made: Frame) -> tuple[Array, Array, Array]:
    """Own civil day, own season, and word of each row's payer: uint64 each."""
    stride = span_of(ctx).stride
    people = found.given["people"].reshape(-1, stride)
    word, packed = people[made.party, 0], people[made.party, 1]
    hour = (local_minute(events) + np.uint64(32768) - (packed & np.uint64(0xFFFF))) // np.uint64(60)
    day = hour // np.uint64(24)
    return day, (day + (word >> np.uint64(59))) // np.uint64(112), word


def local_minute(events: Frame) -> Array:
    """Minutes since 1970 on the local clock: uint64."""
    found: Array = (events.ts_utc // MINUTE_US + events.utc_offset_minutes).astype(np.uint64)
    return found


def went_out(made: Frame) -> Array:
    """Rows of which the payer was picked by an outing: the first triple of once-only buyers."""
    found: Array = (made.relation == ONCE) & (made.tries >> 2 == 1)
    return found


def outing_fields(ctx: Context, found: Tables, events: Frame, rows: Met, made: Frame) -> dict[str, Array]:
    """Fields of stream 6B.outing of rows that `went_out`."""
    at = ctx.address(PAYER, event_us=events.ts_utc.astype(np.uint64), place=rows.place)
    x, y = block_at(ctx, at)
    choice = made.tries & 3
    bits = np.uint64(0xFFFFFF)
    pieces = [(x >> np.uint64(16)) & bits, y >> np.uint64(40), (y >> np.uint64(16)) & bits]
    u = np.choose(choice, pieces)
    units = found.units.take(rows.number)
    zone, several = units.zone[rows.unit].astype(np.int64), units.parts[rows.unit].astype(np.uint64)
    word = found.given["zone_word"][zone]
    shifted = local_minute(events) + word * np.uint64(17) % np.uint64(60)
    hour, minute = shifted // np.uint64(60), shifted % np.uint64(60)
    week = ((hour + np.uint64(72)) % np.uint64(168)).astype(np.int64)
    many = found.given["outings"][zone * 168 + week].astype(np.uint64)
    quarter = minute * several // np.uint64(60)
    residue = (units.subzone[rows.unit].astype(np.uint64) + several - quarter) % several
    return {"local_hour": hour, "outing": several * (many * u >> np.uint64(24)) + residue, "zone": word}


def enter_draws(
    ctx: PartitionContext, part: Partition, found: Tables, events: Frame, rows: Met, made: Frame
) -> None:
    """Enter a partition's draws in the ledger."""
    slots = slots_of(ctx, found, rows.number)
    word = found.units.word[rows.number]
    at = ctx.address(SLOT, slot=slots.rank, unit=word[slots.row])
    ctx.ledger(at, draws=np.where(slots.day != NEVER, 4, 2), scenario=part.scenario)
    weighed = np.flatnonzero(made.relation != BILLED)
    out = np.flatnonzero(went_out(made))
    drew, most = words_of(ctx, made), 2 + 8 * (int(ctx.params.payer_law_6B.triples) - 1)
    if not ctx.lists_events:
        total = int(drew.sum())
        ctx.ledger_sums(PAYER, (len(drew), total, total // 2), most=most, scenario=part.scenario)
        for stream, many in ((DAY, len(weighed)), (SEASON, len(weighed)), (OUTING, len(out))):
            ctx.ledger_sums(stream, (many, 2 * many, many), most=2, scenario=part.scenario)
        return
    at = ctx.address(PAYER, event_us=events.ts_utc.astype(np.uint64), place=rows.place)
    ctx.ledger(at, draws=drew, scenario=part.scenario)
    some, chosen = events.take(weighed), made.take(weighed)
    day, season, party = own_days(ctx, found, some, chosen)
    ctx.ledger(ctx.address(DAY, civil_day=day, party=party), scenario=part.scenario)
    ctx.ledger(ctx.address(SEASON, season=season, party=party), scenario=part.scenario)
    mine = Met(rows.number, rows.unit[out], rows.mode[out], rows.rank[out], rows.place[out])
    fields = outing_fields(ctx, found, events.take(out), mine, made.take(out))
    ctx.ledger(ctx.address(OUTING, **fields), scenario=part.scenario)

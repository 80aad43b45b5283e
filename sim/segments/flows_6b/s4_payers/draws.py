"""How payers find their draws, and why it was they."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, UNIFORM, Drawn, Explained, MadeOf, Told, Word, at
from sim.recipes.join import look_up
from sim.segments.flows_6b.s4_payers.habits import (
    BILLED,
    DAY,
    OUTING,
    PAYER,
    SEASON,
    outing_fields,
    own_days,
    triples_of,
    went_out,
)
from sim.segments.flows_6b.s4_payers.law import span_of
from sim.segments.flows_6b.s4_payers.rows import ARRIVALS, COLUMNS, DAY_US, SLOT, Met, met, part_of, slots_of
from sim.segments.flows_6b.s4_payers.state import RELATIONS, attached
from sim.segments.flows_6b.s4_payers.tables import Tables, tables
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame

_ROWS = "arrival_entities_6B"


def _arrivals(
    ctx: Context, part: Partition, rows: Frame, traced: bool = False
) -> tuple[Tables, Frame, Met, Frame]:
    """Tables, and the rows' own arrivals with their units and what the kernel says of them, in their order.

    The file is read whole: the rank of a bill is one among those of its day.
    """
    found = ctx.shared("tables", lambda: tables(ctx))
    events = ctx.load(ARRIVALS, scenario=part.scenario, part=part_of(part), columns=COLUMNS)
    every = met(ctx, found, events)
    order = np.lexsort((events.arrival_seq, events.merchant_id))
    merchants = np.unique(events.merchant_id)
    number = (np.searchsorted(merchants, events.merchant_id[order]).astype(np.uint64) << np.uint64(32)) | (
        events.arrival_seq[order].astype(np.uint64)
    )
    wanted = (np.searchsorted(merchants, rows.merchant_id).astype(np.uint64) << np.uint64(32)) | (
        rows.arrival_seq.astype(np.uint64)
    )
    some = order[look_up(number, wanted)]
    mine = Met(every.number, every.unit[some], every.mode[some], every.rank[some], every.place[some])
    events = events.take(some)
    return found, events, mine, attached(ctx, found, events, mine, traced)


def _payer(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The blocks of every triple: block 0 decides; of further ones the first, and that of the passer-by."""
    _, events, mine, made = _arrivals(ctx, part, rows)
    many = triples_of(ctx, made)
    words = 2 + 8 * (many - 1)
    index = np.repeat(np.arange(len(rows)), words)
    draw = np.arange(len(index)) - np.repeat(np.cumsum(words) - words, words)
    return at(
        rows, index, event_us=events.ts_utc[index].astype(np.uint64), place=mine.place[index], draw=draw
    )


def _slots(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Slots of the payer: those of the unit that he holds on the day, if he was taken from one."""
    found, events, mine, made = _arrivals(ctx, part, rows)
    slots = slots_of(ctx, found, mine.number)
    regular = np.flatnonzero((made.relation == 0) | (made.relation == BILLED))
    today = events.ts_utc // DAY_US - span_of(ctx).first
    pieces, where = [], []
    for row in regular.tolist():
        unit = int(mine.unit[row])
        first, stop = int(slots.first[unit]), int(slots.first[unit + 1])
        second = slots.day[first:stop] <= today[row]
        holder = np.where(second, slots.second[first:stop], slots.party[first:stop])
        held = np.flatnonzero(holder == made.party[row]) + first
        pieces.append(held)
        where.append(np.full(len(held), row))
    slot = np.concatenate([np.zeros(0, dtype=np.int64), *pieces])
    index = np.concatenate([np.zeros(0, dtype=np.int64), *where])
    word = found.units.word[mine.number]
    several = np.where(slots.day[slot] != 65_535, 4, 2)
    again = np.repeat(np.arange(len(slot)), several)
    draw = np.arange(len(again)) - np.repeat(np.cumsum(several) - several, several)
    return at(rows, index[again], slot=slots.rank[slot][again], unit=word[slots.row[slot][again]], draw=draw)


def _days(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found, events, _, made = _arrivals(ctx, part, rows)
    some = np.flatnonzero(made.relation != BILLED)
    day, season, party = own_days(ctx, found, events.take(some), made.take(some))
    return at(rows, some, civil_day=day, season=season, party=party)


def _outings(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found, events, mine, made = _arrivals(ctx, part, rows)
    out = np.flatnonzero(went_out(made))
    some = Met(mine.number, mine.unit[out], mine.mode[out], mine.rank[out], mine.place[out])
    return at(rows, out, **outing_fields(ctx, found, events.take(out), some, made.take(out)))


def _why(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """The last three candidates and their weights."""
    _, _, _, made = _arrivals(ctx, part, rows, traced=True)
    relation, tries = RELATIONS[int(made.relation[0])], int(made.tries[0])
    if relation == "RECURRING":
        return [f"party {int(made.party[0]) + 1} is billed here on this day: nobody else was looked at"]
    shown = ctx.published(
        "party", np.array([int(made[f"candidate_{i}"][0]) + 1 for i in range(3)], np.uint64)
    )
    weights = [int(made[f"weight_{i}"][0]) for i in range(3)]
    names = ", ".join(
        f"party {int(who)} with weight {weight}" for who, weight in zip(shown, weights, strict=True)
    )
    taken = "the first, though nobody could" if tries == 252 else f"number {(tries & 3) + 1}"
    return [f"{relation}: candidates of triple {min(tries >> 2, 8)} are {names}; taken is {taken}"]


EXPLAINED = Explained(
    (
        Drawn(_ROWS, PAYER, (Word("draw", UNIFORM, "relation, candidates and choice"),), _payer),
        Drawn(_ROWS, SLOT, (Word("draw", CHOICE, "member of the clientele", "party_id"),), _slots),
        Drawn(
            _ROWS,
            OUTING,
            (Word(0, CHOICE, "cell of who is out"), Word(1, CHOICE, "who is out", "party_id")),
            _outings,
        ),
        Drawn(
            _ROWS,
            DAY,
            (Word(0, UNIFORM, "how the day and its hours suit the payer"), Word(1, UNIFORM, "late hours")),
            _days,
        ),
        Drawn(
            _ROWS,
            SEASON,
            (Word(0, UNIFORM, "how its weeks suit the payer"), Word(1, UNIFORM, "how its months do")),
            _days,
        ),
    ),
    (
        MadeOf(_ROWS, ARRIVALS, "its arrival", {"merchant_id": "merchant_id", "arrival_seq": "arrival_seq"}),
        MadeOf(_ROWS, "party_behaviour_6B", "its payer", {"party_id": "party_id"}),
    ),
    (Told(_ROWS, _why),),
)
"""How rows of 6B.S4 are explained."""

"""What payers are held against: everybody pays once, nobody pays who cannot, relations by class."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.segments.flows_6b.clientele import CLASS
from sim.segments.flows_6b.s4_payers.habits import (
    BILLED,
    DAY,
    HABITS_NEEDS,
    NOBODY,
    OUTING,
    SEASON,
    went_out,
)
from sim.segments.flows_6b.s4_payers.law import LAW_NEEDS, span_of
from sim.segments.flows_6b.s4_payers.rows import DAY_US, IN_PERSON, RECURRING, Met
from sim.segments.flows_6b.s4_payers.tables import BEHAVIOUR, Tables
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Measurement, Needs, Partition
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

REGULAR, ONCE, VISITOR = 0, 1, 2
_COIN = 1 << 24
CHECKS_NEEDS = Needs(
    reads={BEHAVIOUR: METADATA_ONLY}, config=("payer_law_6B",), uses=(HABITS_NEEDS, LAW_NEEDS)
)


class PayerCounts(Counters):
    """Arrivals by class and relation, and what became of those for whom nobody suited."""

    arrivals = Scalar()
    planned = Scalar()
    nobody = Scalar()
    cannot_pay = Scalar()
    away = Scalar()
    off_trip = Scalar()
    weighed = Scalar()
    out = Scalar()
    retried = Scalar()
    changed = Scalar()
    by_relation = Vector(CLASS, 4)
    ordinary = Vector(CLASS)
    once_q = Vector(CLASS)
    asked_visitors_q = Vector(CLASS)
    in_person = Vector(CLASS)
    visitors_in_person = Vector(CLASS)
    bills = Scalar()
    billed = Scalar()


def count_payers(
    ctx: PartitionContext, part: Partition, found: Tables, events: Frame, rows: Met, made: Frame
) -> None:
    """Count a partition; every payer is looked up again, whatever the kernel said."""
    kinds = len(ctx.vocabulary(CLASS))
    units = found.units.take(rows.number)
    kind = units.clientele_class[rows.unit].astype(np.int64)
    recurring = rows.mode == RECURRING
    person = rows.mode == IN_PERSON
    nobody = made.tries == NOBODY
    ctx.count(PayerCounts.arrivals, len(made))
    ctx.count(PayerCounts.planned, int(part.spec["rows"]))
    ctx.count(PayerCounts.nobody, int(nobody.sum()))
    ctx.count(PayerCounts.weighed, int((made.relation != BILLED).sum()))
    ctx.count(PayerCounts.out, int(went_out(made).sum()))
    ctx.count(PayerCounts.retried, int((made.tries >= 8).sum()))
    ctx.count(PayerCounts.by_relation, np.bincount(kind * 4 + made.relation, minlength=4 * kinds))
    ctx.count(PayerCounts.bills, int(recurring.sum()))
    ctx.count(PayerCounts.billed, int((made.relation == BILLED).sum()))
    ordinary = _by_class(kind, ~recurring, kinds)
    ctx.count(PayerCounts.ordinary, ordinary)
    per_unit = np.bincount(rows.unit[~recurring], minlength=len(units)).astype(np.int64)
    at_tills = np.bincount(rows.unit[person], minlength=len(units)).astype(np.int64)
    for counter, below, many in (
        (PayerCounts.once_q, units.once_below, per_unit),
        (PayerCounts.asked_visitors_q, units.visitor_below, at_tills),
    ):
        sums = np.zeros(kinds, dtype=np.int64)
        np.add.at(sums, units.clientele_class.astype(np.int64), many * below.astype(np.int64))
        ctx.count(counter, sums)
    ctx.count(PayerCounts.in_person, _by_class(kind, person, kinds))
    ctx.count(PayerCounts.visitors_in_person, _by_class(kind, made.relation == VISITOR, kinds))
    regular = (made.relation == REGULAR) | (made.relation == VISITOR)
    ctx.count(PayerCounts.changed, int((~recurring & ~regular & (made.tries >> 2 > 4) & ~nobody).sum()))
    cannot, away, off = _impossible(ctx, found, events, person, made)
    sound = ~nobody
    ctx.count(PayerCounts.cannot_pay, int((cannot & sound).sum()))
    ctx.count(PayerCounts.away, int((away & sound).sum()))
    ctx.count(PayerCounts.off_trip, int((off & sound).sum()))


def _by_class(kind: Array, rows: Array, kinds: int) -> Array:
    return np.bincount(kind[rows], minlength=kinds).astype(np.int64)


def _impossible(
    ctx: Context, found: Tables, events: Frame, person: Array, made: Frame
) -> tuple[Array, Array, Array]:
    """Who pays on a day on which he cannot; at a till though on a trip; as a traveller off his trip."""
    given = found.given
    packed = given["people"].reshape(-1, span_of(ctx).stride)[made.party, 1]
    day = (events.ts_utc // DAY_US).astype(np.uint64)
    cannot = ((packed >> np.uint64(24)) & np.uint64(0xFFFFF) > day) | (packed >> np.uint64(44) < day)
    first = given["trips_first"].astype(np.int64)
    away, off = np.zeros(len(made), dtype=np.bool_), np.zeros(len(made), dtype=np.bool_)
    visitor = made.relation == VISITOR
    many = first[made.party.astype(np.int64) + 1] - first[made.party.astype(np.int64)]
    for number in range(int(many.max(initial=0))):
        rows = np.flatnonzero((many > number) & person)
        trip = first[made.party[rows].astype(np.int64)] + number
        there = (given["trip_from"][trip] <= events.ts_utc[rows]) & (
            events.ts_utc[rows] <= given["trip_to"][trip]
        )
        away[rows] |= there & ~visitor[rows]
    rows = np.flatnonzero(visitor)
    trip = first[made.party[rows].astype(np.int64)] + made.trip[rows].astype(np.int64) - 1
    off[rows] = (given["trip_from"][trip] > events.ts_utc[rows]) | (
        events.ts_utc[rows] > given["trip_to"][trip]
    )
    return cannot, away, off


def payer_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every arrival once; nobody who cannot pay, is away, or is off his trip; relations by class."""
    seen, gates = PayerCounts(totals), ctx.params.payer_law_6B.gates
    most = seen.arrivals * int(gates.nobody_ppm) // 1_000_000
    people = sum(file.rows for file in ctx.files(BEHAVIOUR))
    few = people < int(gates.people)
    result = [
        Check("arrivals", seen.arrivals == seen.planned > 0, seen.arrivals, seen.planned, "one payer each"),
        Check(
            "nobody suits",
            seen.nobody <= most or few,
            seen.nobody,
            most,
            f"arrivals left to a first candidate; a world of {people} people"
            if few
            else "left to a first candidate",
        ),
    ]
    for name, many, note in (
        ("cannot pay", seen.cannot_pay, "payers without a valid card on the day"),
        ("away from home", seen.away, "payers at a till at home while on a trip"),
        ("off the trip", seen.off_trip, "travellers who pay outside their trip"),
    ):
        result.append(Check(name, many == 0, many, 0, note))
    result += _by_law(ctx, seen, float(gates.sigmas))
    result.append(ledger_check(totals, DAY, seen.weighed, 2))
    result.append(ledger_check(totals, SEASON, seen.weighed, 2))
    result.append(ledger_check(totals, OUTING, seen.out, 2))
    return result


def _by_law(ctx: Context, seen: PayerCounts, sigmas: float) -> list[Check]:
    """Relations by class, each against its law; what is off is named."""
    regulars: dict[str, list[float]] = {}
    travellers: dict[str, list[float]] = {}
    for code, name in enumerate(ctx.vocabulary(CLASS)):
        ordinary = int(seen.ordinary[code])
        if ordinary == 0:
            continue
        law = 1.0 - int(seen.once_q[code]) / _COIN / ordinary
        got = int(seen.by_relation[code][REGULAR]) / ordinary
        room = sigmas * float(np.sqrt(max(law * (1.0 - law), 0.0) / ordinary))
        if abs(got - law) > room + (seen.changed + seen.nobody + 1) / ordinary:
            regulars[name] = [round(got, 6), round(law, 6)]
        asked = int(seen.asked_visitors_q[code]) / _COIN
        came = int(seen.visitors_in_person[code])
        if came > asked + sigmas * float(np.sqrt(max(asked, 1.0))):
            travellers[name] = [came, round(asked, 1)]
    return [
        Check(
            "regulars of each class",
            not regulars,
            regulars,
            {},
            "classes whose share among arrivals that customers start is not 1 - coin: share and law",
        ),
        Check(
            "travellers of each class",
            not travellers,
            travellers,
            {},
            "classes with more of them in person than the law has; fewer come where nobody travels",
        ),
    ]


def payer_measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Shares of relations, of second looks, and of travellers' demand that no traveller met."""
    seen = PayerCounts(totals)
    many = max(1, seen.arrivals)
    share = seen.by_relation.sum(axis=0)
    asked = max(1.0, float(seen.asked_visitors_q.sum()) / _COIN)
    return [
        Measurement("regulars", int(share[0]) / many, "share", "of all arrivals"),
        Measurement("occasional", int(share[1]) / many, "share", "of all arrivals"),
        Measurement("travellers", int(share[2]) / many, "share", "of all arrivals"),
        Measurement("in person", int(seen.in_person.sum()) / many, "share", "of all arrivals"),
        Measurement("billed", seen.billed / max(1, seen.bills), "share", "of arrivals that recur"),
        Measurement("second looks", seen.retried / many, "share", "arrivals of which no first three suit"),
        Measurement("travellers' demand met", int(share[2]) / asked, "share", "residents buy the rest"),
    ]

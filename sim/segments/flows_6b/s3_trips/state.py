"""6B.S3: who is away from home, where and when.

A party's trips are a function of the party and their numbers. How many there are follows from what the shops
of a metro expect to sell to visitors; where 6A has seen its devices abroad, the party is there.
"""

from __future__ import annotations

import numpy as np

from sim.segments.flows_6b.metros import METROS_NEEDS, Metros, metros
from sim.segments.flows_6b.paying_days import can_pay, days_inside
from sim.segments.flows_6b.s3_trips.checks import (
    TRIP_CHECKS_NEEDS,
    TripCounts,
    count_trips,
    trip_checks,
    trip_measure,
)
from sim.segments.flows_6b.s3_trips.journeys import (
    JOURNEYS_NEEDS,
    journeys,
)
from sim.segments.flows_6b.s3_trips.law import (
    BEHAVIOUR,
    PARTIES,
    TRIP_LAW_NEEDS,
    Lengths,
    lengths,
    masses,
    require_trips,
)
from sim.segments.flows_6b.s3_trips.rows import (
    ROWS_NEEDS,
    Travellers,
    drawn_trips,
    kept,
    numbers,
    trip_rows,
)
from sim.segments.flows_6b.s3_trips.table import TABLE_NEEDS, table
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STATE = State(
    id="6B.S3",
    title="Trips",
    reads={PARTIES: ROW_LEVEL, BEHAVIOUR: ROW_LEVEL},
    writes=("trips_6B",),
    counts=(TripCounts,),
    uses=(JOURNEYS_NEEDS, METROS_NEEDS, ROWS_NEEDS, TABLE_NEEDS, TRIP_CHECKS_NEEDS, TRIP_LAW_NEEDS),
)
_PARTY_COLUMNS = ("party_id", "segment_id", "income_band", "home_city_id")
_BEHAVIOUR_COLUMNS = ("activity_q", "can_pay_from", "can_pay_to")


def preflight(ctx: Context) -> None:
    """Refuse a law that contradicts itself."""
    require_trips(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties; each knows what all of them ask for, metro by metro."""
    every, law = metros(ctx), lengths(ctx)
    mass, away = np.zeros(len(every), dtype=np.int64), np.zeros(len(every), dtype=np.int64)
    rows = [file.rows for file in ctx.files(PARTIES)]
    for index in range(len(rows)):
        seen = journeys(ctx, index)
        who, behaviour = _travellers(ctx, every, law, seen, index)
        np.add.at(mass, who.home, who.asks)
        can = can_pay(behaviour, np.searchsorted(who.party_id, seen.party_id))
        _, days = days_inside(seen.first_day, seen.last_day, law.horizon, can)
        there = every.called(seen.country_iso, seen.metro_id)
        there = np.minimum(there, len(every) - 1)
        known = (every.metro_id[there] == seen.metro_id) & (every.country[there] == seen.country_iso)
        np.add.at(away, there[known], days[known])
    spec = {"mass": mass.tolist(), "journeys": away.tolist()}
    return [Partition(index, spec=spec, weight=many) for index, many in enumerate(rows)]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Trips of the parties of a run of countries."""
    every, law = metros(ctx), lengths(ctx)
    asked = [np.array(part.spec[name], dtype=np.int64) for name in ("mass", "journeys")]
    found = ctx.shared("table", lambda: table(ctx, every, law, *asked))
    seen = journeys(ctx, part.index)
    who, behaviour = _travellers(ctx, every, law, seen, part.index)
    counts, above = numbers(ctx, who, found, law)
    trips = drawn_trips(ctx, every, who, counts, seen, found, law)
    stands = kept(ctx, trips)
    rows = trip_rows(every, who, trips.take(np.flatnonzero(stands)))
    count_trips(ctx, every, law, who, behaviour, rows, (found, asked, int((~stands).sum()), above))
    return {"trips_6B": rows}


def _travellers(
    ctx: Context, every: Metros, law: Lengths, seen: Frame, part: int
) -> tuple[Travellers, Frame]:
    parties = ctx.load(PARTIES, part=part, columns=_PARTY_COLUMNS)
    behaviour = ctx.load(BEHAVIOUR, part=part, columns=_BEHAVIOUR_COLUMNS)
    mass: Array = masses(ctx, parties, behaviour.activity_q)
    horizon, many = law.horizon, len(parties)
    can = can_pay(behaviour, np.arange(many))
    first = np.full(many, horizon.first_day, dtype=np.int64)
    _, days = days_inside(first, first + horizon.days - 1, horizon, can)
    sees = np.zeros(many, dtype=np.bool_)
    sees[np.searchsorted(parties.party_id, seen.party_id)] = True
    who = Travellers(
        parties.party_id,
        every.of(parties.home_city_id),
        mass,
        parties.present("income_band"),
        mass.astype(np.int64) * days // horizon.days,
        sees,
    )
    return who, behaviour


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `trip_checks`."""
    return trip_checks(ctx, totals)


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `trip_measure`."""
    return trip_measure(ctx, totals)

"""6B.S7: who is in a metro on a day as a traveller that pays.

Trips turned round: a partition is a run of whole metros, and gathers those who come from everywhere.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import between_check
from sim.recipes.groups import prefix, run_of_row, run_offsets
from sim.recipes.horizon import DAY_S, MICRO, span_of
from sim.segments.flows_6b.paying_days import can_pay, days_inside
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

TRIPS, BEHAVIOUR = "trips_6B", "party_behaviour_6B"
_SEATS = 1 << 20
_COLUMNS = ("party_id", "trip_no", "destination_metro_id", "first_utc", "last_utc")


class VisitorCounts(Counters):
    """Seats as made, and days that trips say."""

    seats = Scalar()
    days = Scalar()
    out_of_turn = Scalar()
    outside_trip = Scalar()
    most = Scalar()


STATE = State(
    id="6B.S7",
    title="Visitors",
    reads={TRIPS: ROW_LEVEL, BEHAVIOUR: ROW_LEVEL},
    writes=("visitors_6B",),
    config=("scenario_horizon_5A",),
    kernels=("expand_rows",),
    counts=(VisitorCounts,),
)


def _stays(ctx: Context) -> Frame:
    """All trips with `first_day` and `days` (int64) on which they count, by destination and first instant."""
    trips = ctx.load(TRIPS, columns=_COLUMNS)
    behaviour = ctx.load(BEHAVIOUR, columns=("activity_q", "can_pay_from", "can_pay_to"))
    can = can_pay(behaviour, trips.party_id.astype(np.int64) - 1)
    first, last = (trips[name] // (DAY_S * MICRO) for name in ("first_utc", "last_utc"))
    begin, days = days_inside(first, last, span_of(ctx.params.scenario_horizon_5A), can)
    stays = trips.with_columns(first_day=begin, days=days)
    return stays.take(
        np.lexsort((trips.trip_no, trips.party_id, trips.first_utc, trips.destination_metro_id))
    )


def plan(ctx: Context) -> list[Partition]:
    """Runs of whole metros of about 2**20 seats."""
    stays = ctx.shared("stays", lambda: _stays(ctx))
    offsets = run_offsets(stays.destination_metro_id).astype(np.int64)
    ends = prefix(stays.days)[offsets].astype(np.int64)
    part = ends[:-1] // _SEATS
    parts = []
    for index, which in enumerate(np.unique(part).tolist()):
        mine = np.flatnonzero(part == which)
        rows = [int(offsets[mine[0]]), int(offsets[mine[-1] + 1])]
        seats = int(ends[mine[-1] + 1] - ends[mine[0]])
        parts.append(Partition(index, spec={"trips": rows, "days": seats}, weight=seats))
    return parts or [Partition(0, spec={"trips": [0, 0], "days": 0})]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Seats of a run of metros."""
    start, stop = part.spec["trips"]
    stays = ctx.shared("stays", lambda: _stays(ctx)).slice(start, stop)
    entry, rank = ctx.kernels.expand_rows(offset=prefix(stays.days), dims={"m": int(stays.days.sum())})
    metro = stays.destination_metro_id[entry]
    day = stays.first_day[entry] + rank.astype(np.int64)
    order = np.lexsort((np.arange(len(day)), day, metro))
    entry, metro, day = entry[order], metro[order], day[order]
    seat, most = _seats(metro, day)
    rows = Frame(
        {
            "destination_metro_id": metro,
            "day": day.astype(np.int32),
            "seat_no": seat.astype(np.uint32),
            "party_id": stays.party_id[entry],
            "trip_no": stays.trip_no[entry],
        }
    )
    ctx.count(VisitorCounts.seats, len(rows))
    ctx.count(VisitorCounts.days, int(part.spec["days"]))
    instant = stays.first_utc[entry]
    same = (metro[1:] == metro[:-1]) & (day[1:] == day[:-1])
    ctx.count(VisitorCounts.out_of_turn, int((same & (instant[1:] < instant[:-1])).sum()))
    low, high = instant // (DAY_S * MICRO), stays.last_utc[entry] // (DAY_S * MICRO)
    ctx.count(VisitorCounts.outside_trip, int(((day < low) | (day > high)).sum()))
    ctx.count(VisitorCounts.most, most)
    return {"visitors_6B": rows}


def _seats(metro: Array, day: Array) -> tuple[Array, int]:
    """Seat of each row among those of its metro and day, and the sum of the largest ones and one."""
    offsets = run_offsets(metro, day).astype(np.int64)
    seat: Array = np.arange(len(metro)) - offsets[:-1][run_of_row(offsets.astype(np.uint64))]
    return seat, int(np.diff(offsets).sum())


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Seats equal the days of trips, each inside its trip, by first instants."""
    seen = VisitorCounts(totals)
    note = "days of all trips on which their party pays"
    return [
        between_check("seats equal trip-days", seen.seats, (seen.days, seen.days), note),
        Check(
            "seats are counted through",
            seen.most == seen.seats,
            seen.most,
            seen.seats,
            "over metros and days",
        ),
        Check("seats by first instants", seen.out_of_turn == 0, seen.out_of_turn, 0),
        Check("seats inside their trip", seen.outside_trip == 0, seen.outside_trip, 0),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How many seats there are."""
    return [Measurement("seats", VisitorCounts(totals).seats, "days of travellers who pay")]

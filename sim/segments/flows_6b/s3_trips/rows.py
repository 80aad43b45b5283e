"""Trips of the parties of a partition: drawn one by one, then those that collide give way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix, run_starts
from sim.recipes.horizon import DAY_S, MICRO
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words
from sim.segments.flows_6b.metros import Metros
from sim.segments.flows_6b.people import PARTY_KEYS_NEEDS, party_keys
from sim.segments.flows_6b.s3_trips.law import Lengths, purposes
from sim.segments.flows_6b.s3_trips.table import Table
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

NUMBER, TRIP = "6B.trips", "6B.trip"
PLACE, DAYS, FIRST_DAY, PURPOSE, FIRST_HOUR, LAST_HOUR = range(6)
"""Which draw decides what."""
_DAY, _HOUR_S = np.int64(DAY_S), 3600
_PART_MEAN = 64.0

ROWS_NEEDS = Needs(
    config=("trip_law_6B",),
    streams=(NUMBER, TRIP),
    kernels=("draw_counts", "expand_rows"),
    reference=("cities",),
    uses=(BELOW_NEEDS, PARTY_KEYS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Travellers:
    """Parties of a partition, in the order of their numbers.

    Attributes:
        party_id: uint64.
        home: int64: metro.
        mass: uint64.
        person: bool.
        asks: int64: its mass by the share of the horizon in which it can pay: what demand is shared by.
        sees: bool: whether 6A has seen it on a journey.
    """

    party_id: Array
    home: Array
    mass: Array
    person: Array
    asks: Array
    sees: Array


def numbers(ctx: PartitionContext, who: Travellers, found: Table, law: Lengths) -> tuple[Array, int]:
    """Trips each party draws: int64; and how many were above the most.

    A mean is raised by what will give way: about half of the pairs of a party's trips that meet, and those
    that meet its journey.
    """
    pack = ctx.params.trip_law_6B
    mean = found.mean[who.home] * who.mass.astype(np.float64)
    mean = np.minimum(mean, np.float64(pack.most_mean))
    mean = mean * (1.0 + mean * np.float64(0.5 * law.meet))
    mean = np.where(who.sees, mean / np.float64(max(1.0 - law.meet, 0.25)), mean)
    some = np.flatnonzero(mean > 0.0)
    counts = np.zeros(len(mean), dtype=np.int64)
    keys = party_keys(ctx, who.party_id[some])
    at = ctx.address(NUMBER, party_rank=keys.party_rank, party_cell=keys.party_cell)
    drawn, _ = ctx.kernels.draw_counts(
        key=ctx.stream(NUMBER),
        c0=at.c0,
        c1=at.c1,
        mu=mean[some],
        kappa=np.zeros(len(some)),
        part_mean=_PART_MEAN,
        zero_truncated=0,
    )
    ctx.ledger(at)
    most = int(pack.most_trips)
    counts[some] = np.minimum(drawn.astype(np.int64), most)
    return counts, int(np.maximum(drawn.astype(np.int64) - most, 0).sum())


def drawn_trips(
    ctx: PartitionContext,
    every: Metros,
    who: Travellers,
    counts: Array,
    seen: Frame,
    found: Table,
    law: Lengths,
) -> Frame:
    """Journeys and drawn trips, by party and number, before any gives way.

    Returns:
        `row` (int64, party), `drawn_no` (int64), `metro_id`, `country_iso`, `first_us`, `last_us`, `purpose`.
    """
    entry, rank = ctx.kernels.expand_rows(offset=prefix(counts), dims={"m": int(counts.sum())})
    journey = np.searchsorted(who.party_id, seen.party_id)
    row = np.concatenate((journey, entry.astype(np.int64)))
    number = np.concatenate((np.zeros(len(journey), dtype=np.int64), rank.astype(np.int64) + 1))
    keys = party_keys(ctx, who.party_id[row])
    x = words(
        ctx,
        TRIP,
        party_rank=keys.party_rank,
        party_cell=keys.party_cell,
        trip_number=number.astype(np.uint64),
    )
    many = len(journey)
    place = _places(ctx, x[PLACE][many:], who.home[row[many:]], found)
    metro = np.concatenate((seen.metro_id, every.metro_id[place]))
    country = np.concatenate((seen.country_iso, every.country[place]))
    first, last = _days(ctx, x[DAYS][many:], x[FIRST_DAY][many:], law)
    first = np.concatenate((seen.first_day, first))
    last = np.concatenate((seen.last_day, last))
    begin, end = _instants(ctx, (x[FIRST_HOUR], x[LAST_HOUR]), metro, first, last)
    whose = np.where(who.person[row], (country != every.country[who.home[row]]).astype(np.int64), 2)
    drawn = below(ctx, x[PURPOSE], 1000)
    purpose = (drawn[:, None] >= purposes(ctx)[whose]).sum(axis=1).astype(np.int16)
    frame = Frame(
        {
            "row": row,
            "drawn_no": number,
            "metro_id": metro,
            "country_iso": country,
            "first_us": begin,
            "last_us": end,
            "purpose": purpose,
        }
    )
    return frame.take(np.lexsort((number, row)))


def _places(ctx: Context, x: Array, home: Array, found: Table) -> Array:
    """Destination of each trip from its home metro: int64."""
    ends = np.cumsum(found.trips.ravel(), dtype=np.uint64)
    many = found.trips.shape[1]
    stop = ends.reshape(-1, many)[:, -1]
    start = np.concatenate((np.zeros(1, dtype=np.uint64), stop[:-1]))
    if len(x) == 0:
        return home
    at = start[home] + below(ctx, x, (stop - start)[home]).astype(np.uint64)
    place: Array = np.searchsorted(ends, at, side="right") - home * many
    return place


def _days(ctx: Context, x: Array, where: Array, law: Lengths) -> tuple[Array, Array]:
    """First and last day of each trip: int64."""
    at = below(ctx, x, int(law.cumulative[-1])).astype(np.uint64)
    days = np.searchsorted(law.cumulative, at, side="right") + 1
    later = below(ctx, where, days + (law.horizon.days - 1))
    first = law.horizon.first_day - days + 1 + later
    return first, first + days - 1


def _instants(
    ctx: Context, x: tuple[Array, Array], metro: Array, first: Array, last: Array
) -> tuple[Array, Array]:
    """First and last instant of each trip, in microseconds since 1970, on its first and last UTC day.

    Hours are those of the day as the sun has it at the destination: within an hour or two of any clock.
    """
    hours, cities = ctx.params.trip_law_6B.hours, ctx.reference("cities")
    order = np.argsort(cities.city_id, kind="stable")
    city = order[np.searchsorted(cities.city_id[order], metro)]
    # Four minutes a degree.
    ahead = cities.lon_udeg[city].astype(np.int64) * 240 // 1_000_000
    second = []
    for word, (low, high) in zip(x, (hours.first, hours.last), strict=True):
        span = (int(high) - int(low) + 1) * _HOUR_S
        second.append((below(ctx, word, span) + int(low) * _HOUR_S - ahead) % _DAY)
    # Within one UTC day the evening may come first, of a night away.
    swap = (first == last) & (second[0] > second[1])
    begin = np.where(swap, second[1], second[0])
    end = np.where(swap, second[0], second[1])
    return (first * _DAY + begin) * MICRO, (last * _DAY + end) * MICRO


def kept(ctx: Context, trips: Frame) -> Array:
    """Which trips of a party stand, from the journey on in the order of their numbers: bool.

    Whatever comes nearer than the gap to one that stands gives way.

    Args:
        ctx: Context.
        trips: By row and number.
    """
    gap = int(ctx.params.trip_law_6B.gap_hours) * _HOUR_S * MICRO
    stands = np.ones(len(trips), dtype=np.bool_)
    starts = run_starts(trips.row)
    sizes = np.diff(np.append(starts, len(trips)))
    place = np.arange(len(trips)) - np.repeat(starts, sizes)
    for late in range(1, int(sizes.max(initial=0))):
        mine = np.flatnonzero(place == late)
        for before in range(1, late + 1):
            other = mine - before
            clear = (trips.first_us[mine] >= trips.last_us[other] + gap) | (
                trips.last_us[mine] + gap <= trips.first_us[other]
            )
            stands[mine] &= clear | ~stands[other]
    return stands


def trip_rows(every: Metros, who: Travellers, trips: Frame) -> Frame:
    """Rows of trips_6B of the trips that stand."""
    trips = trips.take(np.lexsort((trips.first_us, trips.row)))
    starts = run_starts(trips.row)
    number = np.arange(len(trips)) - np.repeat(starts, np.diff(np.append(starts, len(trips)))) + 1
    return Frame(
        {
            "party_id": who.party_id[trips.row],
            "trip_no": number.astype(np.uint8),
            "origin_metro_id": every.metro_id[who.home[trips.row]],
            "destination_metro_id": trips.metro_id,
            "destination_country_iso": trips.country_iso,
            "first_utc": trips.first_us,
            "last_utc": trips.last_us,
            "purpose": trips.purpose,
            "drawn_no": trips.drawn_no.astype(np.uint8),
        }
    )

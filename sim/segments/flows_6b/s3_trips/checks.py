"""What trips are held against: that none overlap, and that they bring the visitors that shops expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.horizon import DAY_S, MICRO
from sim.segments.flows_6b.metros import METROS_NEEDS, Metros, metros
from sim.segments.flows_6b.paying_days import can_pay, days_inside
from sim.segments.flows_6b.s3_trips.law import TRIP_LAW_NEEDS, Lengths, lengths
from sim.segments.flows_6b.s3_trips.rows import NUMBER, TRIP, Travellers
from sim.segments.flows_6b.s3_trips.table import SCALE, TABLE_NEEDS, Table, table
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Measurement, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

MOST_DAYS = 61
"""Longest trip that a law may ask for, and one."""

TRIP_CHECKS_NEEDS = Needs(config=("trip_law_6B",), uses=(METROS_NEEDS, TABLE_NEEDS, TRIP_LAW_NEEDS))


def places(ctx: Any) -> int:
    """How many metros there are."""
    return len(metros(ctx))


class TripCounts(Counters):
    """Trips as they stand, by metro and by days; and what gave way."""

    mass = Vector(places)
    journey_days = Vector(places)
    trip_days = Vector(places)
    days = Vector(MOST_DAYS)
    askers = Scalar()
    journeys = Scalar()
    trips = Scalar()
    at_home = Scalar()
    dropped = Scalar()
    above_most = Scalar()
    too_near = Scalar()
    outside_horizon = Scalar()
    own_metro = Scalar()
    unknown = Scalar()
    idle_drawn = Scalar()


def count_trips(
    ctx: PartitionContext,
    every: Metros,
    law: Lengths,
    who: Travellers,
    behaviour: Frame,
    rows: Frame,
    made: tuple[Table, list[Array], int, int],
) -> None:
    """Count the rows of a partition.

    Args:
        ctx: Context of 6B.S3.
        every: Metros.
        law: Lengths.
        who: Its parties.
        behaviour: Their rows of party_behaviour_6B.
        rows: trips_6B, by party and number.
        made: The table; what it was made of; trips that gave way; numbers above the most.
    """
    found, _, dropped, above = made
    drawn = rows.drawn_no > 0
    party = np.searchsorted(who.party_id, rows.party_id)
    mass = np.zeros(len(every), dtype=np.int64)
    np.add.at(mass, who.home, who.asks)
    ctx.count(TripCounts.mass, mass)
    asks = found.mean[who.home] * who.mass.astype(np.float64) > 0.0
    ctx.count(TripCounts.askers, int(asks.sum()))
    ctx.count(TripCounts.idle_drawn, int((drawn & (who.mass[party] == 0)).sum()))
    there = np.minimum(every.called(rows.destination_country_iso, rows.destination_metro_id), len(every) - 1)
    known = every.metro_id[there] == rows.destination_metro_id
    known &= every.country[there] == rows.destination_country_iso
    first, last = (rows[name] // (DAY_S * MICRO) for name in ("first_utc", "last_utc"))
    _, inside = days_inside(first, last, law.horizon, can_pay(behaviour, party))
    for counter, which in ((TripCounts.trip_days, known), (TripCounts.journey_days, known & ~drawn)):
        days = np.zeros(len(every), dtype=np.int64)
        np.add.at(days, there[which], inside[which])
        ctx.count(counter, days)
    ctx.count(TripCounts.unknown, int((drawn & ~known).sum()))
    ctx.count(TripCounts.journeys, int((~drawn).sum()))
    ctx.count(TripCounts.trips, int(drawn.sum()))
    ctx.count(TripCounts.dropped, dropped)
    ctx.count(TripCounts.above_most, above)
    home = every.country[who.home[party]] == rows.destination_country_iso
    ctx.count(TripCounts.at_home, int((home & drawn).sum()))
    ctx.count(TripCounts.own_metro, int((rows.origin_metro_id == rows.destination_metro_id).sum()))
    touched = np.minimum(last - first + 1, MOST_DAYS - 1)[drawn]
    ctx.count(TripCounts.days, np.bincount(touched, minlength=MOST_DAYS))
    begin, stop = law.horizon.first_day, law.horizon.first_day + law.horizon.days
    ctx.count(TripCounts.outside_horizon, int(((last < begin) | (first >= stop) | (last < first)).sum()))
    gap = int(ctx.params.trip_law_6B.gap_hours) * 3600 * MICRO
    same = rows.party_id[1:] == rows.party_id[:-1]
    ctx.count(TripCounts.too_near, int((same & (rows.first_utc[1:] < rows.last_utc[:-1] + gap)).sum()))


def trip_checks(ctx: Context, totals: Totals) -> list[Check]:
    """No overlap, the horizon, demand met, shares, lengths."""
    seen, pack = TripCounts(totals), ctx.params.trip_law_6B
    gates, law = pack.gates, lengths(ctx)
    found = table(ctx, metros(ctx), law, seen.mass, seen.journey_days)
    zero = {
        "trips of a party never overlap": (seen.too_near, "pairs of a party nearer than the gap"),
        "trips meet the horizon": (seen.outside_horizon, "trips before or after it, or that end first"),
        "nobody travels to their own metro": (seen.own_metro, "trips"),
        "trips go to metros of the world": (seen.unknown, "drawn trips elsewhere"),
        "who does not pay draws no trip": (seen.idle_drawn, "drawn trips"),
    }
    result = [Check(name, value == 0, value, 0, note) for name, (value, note) in zero.items()]
    drawn = seen.trips + seen.journeys + seen.dropped
    result += [ledger_check(totals, NUMBER, seen.askers, 1), ledger_check(totals, TRIP, drawn, 6)]
    low, high = float(gates.purchases[0]), float(gates.purchases[1])
    bought = found.wanted * float(pack.purchases_a_trip_day)
    held = _held(found, seen, int(gates.trip_days))
    each = bought[held] / np.maximum(seen.trip_days[held], 1)
    outside = int(((each < low) | (each > high)).sum())
    result.append(
        Check("purchases a trip-day by metro", outside == 0, outside, [low, high], "metros outside")
    )
    asked, got = int(found.wanted[held].sum()), int(seen.trip_days[held].sum())
    off = abs(got - asked) * 1000 // max(1, asked)
    result.append(
        Check(
            "trip-days as asked",
            off <= int(gates.together_permille),
            off,
            int(gates.together_permille),
            "permille",
        )
    )
    share = seen.at_home / max(1, seen.trips)
    chance = float(gates.sigmas) * (found.domestic * (1 - found.domestic) / max(1, seen.trips)) ** 0.5
    room = int(gates.domestic_permille) / 1000 + chance
    right = abs(share - found.domestic) <= room or seen.trips == 0
    result.append(Check("share of drawn trips at home", right, share, found.domestic, "the law's own share"))
    result.append(_aim_check(ctx, found, seen))
    result.append(_lengths_check(seen, law, float(gates.sigmas)))
    most = int(gates.dropped_permille)
    share = seen.dropped * 1000 // max(1, drawn)
    result.append(Check("trips that give way", share <= most or drawn < 1000, share, most, "permille"))
    return result


def _held(found: Table, seen: TripCounts, least: int) -> Array:
    """Metros of whose visitors enough was asked, that somebody can reach, and that journeys do not fill."""
    drawn = found.trips.sum(axis=0) > 0
    held: Array = (found.wanted >= least) & drawn & (seen.journey_days <= found.wanted)
    return held


def _aim_check(ctx: Context, found: Table, seen: TripCounts) -> Check:
    """The law's own share of days at home against its aim, as far as metros and countries allow it."""
    pack = ctx.params.trip_law_6B
    total = float(found.trips.sum()) / SCALE * lengths(ctx).inside
    share = found.domestic * total / max(1.0, total + float(seen.journey_days.sum()))
    aim, room = float(pack.domestic_share), int(pack.gates.aim_permille) / 1000
    high = min(aim, found.most_domestic)
    low = high - room
    # Whoever travels, and wherever somebody is asked for: all of one country, and there is no abroad.
    concerned = metros(ctx).country[(seen.mass > 0) | (found.wanted > 0)]
    # With few days asked for, whole trips of single metros decide the share.
    few = int((found.wanted >= int(pack.gates.trip_days)).sum()) < 2
    return Check(
        "domestic share of the law",
        low <= share <= aim + room or len(np.unique(concerned)) <= 1 or few or total == 0.0,
        share,
        [low, aim + room],
        "of all days in metros of the world; one of one country, or of few days away, is not held to it",
    )


def _lengths_check(seen: TripCounts, law: Lengths, sigmas: float) -> Check:
    """Half of the drawn trips are no longer than the law's median; trips that gave way were longer ones."""
    median, total = law.median(), max(1, int(seen.days.sum()))
    short = int(seen.days[: median + 1].sum()) / total
    before = int(seen.days[:median].sum()) / total
    room = sigmas * 0.5 / total**0.5 + 0.05
    return Check(
        "median days of trips",
        (before - room <= 0.5 <= short + room) or seen.trips == 0,
        [before, short],
        {"median": median},
        "shares of drawn trips shorter than the law's median, and no longer",
    )


def trip_measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Trips, what gave way, and the days that visitors' purchases ask for and nobody can spend."""
    seen = TripCounts(totals)
    found = table(ctx, metros(ctx), lengths(ctx), seen.mass, seen.journey_days)
    short = np.where(found.trips.sum(axis=0) > 0, 0.0, np.maximum(found.wanted - seen.journey_days, 0.0))
    return [
        Measurement("drawn trips", seen.trips, "trips"),
        Measurement("journeys", seen.journeys, "trips", "devices of the party were seen there"),
        Measurement("trips that gave way", seen.dropped, "trips", "to another of the party"),
        Measurement("numbers above the most", seen.above_most, "trips"),
        Measurement("days of travellers who pay", int(seen.trip_days.sum()), "days"),
        Measurement("days asked for", int(found.wanted.sum()), "days"),
        Measurement("days nobody can spend", int(short.sum()), "days", "residents buy what they would have"),
        Measurement("share of drawn days at home by the law", round(found.domestic, 4), "", "of drawn trips"),
        Measurement("domestic share its countries allow", round(found.most_domestic, 4), "", "of all days"),
    ]

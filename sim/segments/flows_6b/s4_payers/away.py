"""Who travels: trips by party, and who is in a metro on a day."""

from __future__ import annotations

from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Frame

TRIPS, VISITORS = "trips_6B", "visitors_6B"
AWAY_NEEDS = Needs(reads={TRIPS: ROW_LEVEL, VISITORS: ROW_LEVEL})


def trips_of(ctx: Context) -> Frame:
    """Trips by party and number: `party_id`, `trip_no`, `first_utc`, `last_utc`."""
    return ctx.load(TRIPS, columns=("party_id", "trip_no", "first_utc", "last_utc"))


def seats_of(ctx: Context) -> Frame:
    """Travellers by metro and day: `destination_metro_id`, `day`, `party_id`, `trip_no`."""
    return ctx.load(VISITORS, columns=("destination_metro_id", "day", "party_id", "trip_no"))

"""Who travels: until 6B.S3 makes trips, nobody does, and residents buy what travellers would."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Frame

AWAY_NEEDS = Needs()


def trips_of(ctx: Context) -> Frame:
    """Trips by party and number: `party_id`, `trip_no`, `first_utc`, `last_utc`."""
    return Frame(
        {
            "party_id": np.zeros(0, dtype=np.uint64),
            "trip_no": np.zeros(0, dtype=np.uint8),
            "first_utc": np.zeros(0, dtype=np.int64),
            "last_utc": np.zeros(0, dtype=np.int64),
        }
    )


def seats_of(ctx: Context) -> Frame:
    """Travellers by metro and day: `destination_metro_id`, `day`, `party_id`, `trip_no`."""
    return Frame(
        {
            "destination_metro_id": np.zeros(0, dtype=np.uint32),
            "day": np.zeros(0, dtype=np.int32),
            "party_id": np.zeros(0, dtype=np.uint64),
            "trip_no": np.zeros(0, dtype=np.uint8),
        }
    )

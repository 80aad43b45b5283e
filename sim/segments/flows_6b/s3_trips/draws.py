"""How trips find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, COUNT, INTEGER, Drawn, Explained, MadeOf, Word, at
from sim.segments.flows_6b.people import party_keys
from sim.segments.flows_6b.s3_trips.rows import (
    DAYS,
    FIRST_DAY,
    FIRST_HOUR,
    LAST_HOUR,
    NUMBER,
    PLACE,
    PURPOSE,
    TRIP,
)
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_ROWS = "trips_6B"


def _some(ctx: Context, rows: Frame, some: Array) -> Frame:
    keys = party_keys(ctx, rows.party_id[some])
    fields = {name: keys[name] for name in ("party_rank", "party_cell")}
    return at(rows, some, trip_number=rows.drawn_no[some].astype(np.uint64), **fields)


def _drawn(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _some(ctx, rows, np.flatnonzero(rows.drawn_no > 0))


def _every(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _some(ctx, rows, np.arange(len(rows)))


EXPLAINED = Explained(
    (
        Drawn(_ROWS, NUMBER, (Word(0, COUNT, "how many trips the party draws"),), _drawn),
        Drawn(
            _ROWS,
            TRIP,
            (
                Word(PLACE, CHOICE, "destination_metro_id", "destination_metro_id"),
                Word(DAYS, CHOICE, "days that it touches"),
                Word(FIRST_DAY, INTEGER, "first day: any on which it meets the horizon"),
            ),
            _drawn,
        ),
        Drawn(
            _ROWS,
            TRIP,
            (
                Word(PURPOSE, CHOICE, "purpose", "purpose"),
                Word(FIRST_HOUR, INTEGER, "time of day of first_utc"),
                Word(LAST_HOUR, INTEGER, "time of day of last_utc"),
            ),
            _every,
        ),
    ),
    (MadeOf(_ROWS, "party_behaviour_6B", "its party's behaviour", {"party_id": "party_id"}),),
)
"""How rows of 6B.S3 are explained."""

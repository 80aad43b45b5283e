"""Circles as the states of devices, addresses and roles see them: rows of their partition or piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

CIRCLE_ROWS_NEEDS = Needs(reads={"s9_circle_members_6A": ROW_LEVEL, "s9_circles_6A": ROW_LEVEL})


@dataclass(frozen=True)
class CircleRows:
    """Members of circles among some parties, by circle and seat; the leader first where there is one.

    Attributes:
        party: int64, m: row of the party.
        circle: int64, m: circle, from 0 and ascending.
        place: int64, m: position among the members, from 0.
        role: int16, m: codes of `circle_role`.
        in_metro: bool, m: whether it lives in the leader's metro.
        account_id: uint64, m: account that it brings, 0 for none.
        id: uint64, c.
        size: int64, c: members.
        start: int32, c: day on which it begins.
        kind: int16, c: codes of `circle_kind`.
        led: bool, c: whether its leader is here, and not abroad.
        ring_id: uint64, c: 0 for the honest.
    """

    party: Array
    circle: Array
    place: Array
    role: Array
    in_metro: Array
    account_id: Array
    id: Array
    size: Array
    start: Array
    kind: Array
    led: Array
    ring_id: Array

    def of_party(self, parties: int) -> Array:
        """Circle of each party: int64, n, -1 for none."""
        found = np.full(parties, -1, dtype=np.int64)
        found[self.party] = self.circle
        return found


def circle_rows(ctx: Context, first_party: int, parties: int) -> CircleRows:
    """The circles of whole countries.

    Args:
        ctx: Context of a state that reads circles.
        first_party: Id of the first party.
        parties: Number of parties, whose ids follow without a gap.
    """
    members, base = ctx.load("s9_circle_members_6A"), ctx.load("s9_circles_6A")
    row = members.party_id.astype(np.int64) - first_party
    here = np.flatnonzero((row >= 0) & (row < parties))
    every = np.repeat(np.arange(len(base)), base.members.astype(np.int64))[here]
    first = int(every[0]) if len(every) else 0
    count = int(every[-1]) - first + 1 if len(every) else 0
    mine = base.slice(first, first + count)
    mates = members.take(here)
    size = mine.members.astype(np.int64)
    place = np.arange(len(here)) - np.repeat(np.cumsum(size) - size, size)
    return CircleRows(
        row[here],
        every - first,
        place,
        mates.circle_role,
        mates.in_metro,
        np.where(mates.present("account_id"), mates.account_id, np.uint64(0)),
        mine.circle_id,
        size,
        mine.started_on.astype(np.int32),
        mine.circle_kind,
        mine.present("leader_party_id"),
        np.where(mine.present("ring_id"), mine.ring_id, np.uint64(0)),
    )

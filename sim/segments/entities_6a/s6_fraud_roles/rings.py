"""Ids of rings, and the roles of those who are in rings and clusters: decided with the circles (6A.S9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, CircleRows
from sim.segments.entities_6a.s9_circles.plan import CIRCLE_IDS_NEEDS, circle_ids
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

# What members of a ring are, by their role in the circle.
ROLE_OF_SEAT = {"LEADER": "ORGANISER", "HELPER": "ASSOCIATE", "MEMBER": "MULE"}

ROLE_RINGS_NEEDS = Needs(uses=(CIRCLE_IDS_NEEDS, CIRCLE_ROWS_NEEDS))


@dataclass(frozen=True)
class Seats:
    """Parties of a piece that rings and clusters give a role.

    Attributes:
        party: int64, s: row of the party.
        role: int16, s: codes of `party_role`.
        ring_id: uint64, s.
        account_id: uint64, s: account that a member of a ring brings; 0 for none.
    """

    party: Array
    role: Array
    ring_id: Array
    account_id: Array


def ring_ids(ctx: Context, country: Array, ordinal: Array) -> Array:
    """Ids of rings by country code and ordinal from 0: uint64."""
    return circle_ids(ctx, country, ordinal)


def seats_of(ctx: Context, circles: CircleRows) -> Seats:
    """Who is what in the rings and clusters of a piece."""
    kind = circles.kind[circles.circle]
    role = np.zeros(len(circles.party), dtype=np.int16)
    ring = kind == ctx.code("circle_kind", "MULE_RING")
    for seat, name in ROLE_OF_SEAT.items():
        role[ring & (circles.role == ctx.code("circle_role", seat))] = ctx.code("party_role", name)
    cluster = ctx.code("circle_kind", "SYNTHETIC_CLUSTER")
    role[kind == cluster] = ctx.code("party_role", "SYNTHETIC_ID")
    rows = np.flatnonzero(role)
    order = rows[np.argsort(circles.party[rows], kind="stable")]
    ids = circles.ring_id[circles.circle[order]]
    return Seats(circles.party[order], role[order], ids, circles.account_id[order])

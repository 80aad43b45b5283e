"""How circles and their members find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, INTEGER, RACE, UNIFORM, Drawn, Explained, MadeOf, Word, at, position
from sim.recipes.horizon import life_span
from sim.segments.entities_6a.draw_keys import party_cells
from sim.segments.entities_6a.s9_circles.members import WING
from sim.segments.entities_6a.s9_circles.plan import CLUSTER, HONEST, circle_ids
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_CIRCLES, _MEMBERS = "s9_circles_6A", "s9_circle_members_6A"


def _numbers(ctx: Context, part: Partition, base: Frame) -> tuple[Array, Array]:
    """Country and number of the draws of each circle: those of the ring for its members abroad."""
    asked = {name: np.array(values, dtype=np.int64) for name, values in part.spec["demand"].items()}
    law = ctx.params.circles_6A
    kind = base.circle_kind
    home, number = base.country_iso.astype(np.int16).copy(), np.zeros(len(base), dtype=np.int64)
    for rows, first, count, id in (
        (np.flatnonzero(kind == ctx.code("circle_kind", "MULE_RING")), 0, asked["rings"], base.ring_id),
        (
            np.flatnonzero(kind == ctx.code("circle_kind", "SYNTHETIC_CLUSTER")),
            CLUSTER,
            asked["synthetic"],
            base.circle_id,
        ),
        (
            np.flatnonzero(~base.present("ring_id")),
            HONEST,
            asked["rings"] * int(law.lookalikes_per_ring),
            base.circle_id,
        ),
    ):
        country = np.repeat(np.arange(len(count)), count)
        ordinal = np.arange(len(country)) - np.repeat(np.cumsum(count) - count, count) + first
        found = position(circle_ids(ctx, country, ordinal), id[rows])
        home[rows], number[rows] = country[found].astype(np.int16), ordinal[found]
    return home, number


def _circles(ctx: Context, part: Partition, rows: Frame) -> Frame:
    home, number = _numbers(ctx, part, rows)
    days = int(ctx.params.circles_6A.started_days_before) + life_span(ctx.params.scenario_horizon_5A).days
    width = np.full(len(rows), days)
    return at(rows, np.arange(len(rows)), circle_number=number, country_iso=home, days=width)


def _leaders(ctx: Context, part: Partition, rows: Frame) -> Frame:
    led = np.flatnonzero(rows.present("leader_party_id"))
    cells = party_cells(ctx, rows.leader_party_id[led])
    return at(rows, led, **{name: cells[name] for name in ("country_iso", "segment_id", "party_rank")})


def _seats(ctx: Context, part: Partition, rows: Frame) -> Frame:
    seated = np.flatnonzero(rows.seat_no > 0)
    base = ctx.load(_CIRCLES, part=part.index)
    mine = base.take(position(base.circle_id, rows.circle_id[seated]))
    home, number = _numbers(ctx, part, mine)
    seat = rows.seat_no[seated].astype(np.int64) - 1 + np.where(mine.present("leader_party_id"), 0, WING)
    return at(rows, seated, member_number=seat, circle_number=number, country_iso=home)


_DRAWS = (
    Drawn(
        _CIRCLES,
        "6A.circle",
        (
            Word(0, CHOICE, "how many seats it has"),
            Word(1, INTEGER, "started_on: days after the first possible one", below="days"),
            Word(2, UNIFORM, "circle_kind of an honest circle; whether a ring has members abroad"),
            Word(3, CHOICE, "country of a ring's members abroad, by the mules there"),
        ),
        _circles,
    ),
    Drawn(
        _CIRCLES,
        "6A.circle_leader",
        (Word(0, RACE, "leader_party_id: place among those who lead a circle"),),
        _leaders,
    ),
    Drawn(
        _MEMBERS,
        "6A.circle_seat",
        (
            Word(0, UNIFORM, "whether the seat is for somebody of the leader's metro"),
            Word(1, UNIFORM, "whether it is for somebody with an account of the window"),
            Word(2, CHOICE, "party_id: one of those in the place"),
            Word(3, CHOICE, "party_id: the same, where that one sat in another circle"),
        ),
        _seats,
    ),
)

EXPLAINED = Explained(_DRAWS, (MadeOf(_MEMBERS, _CIRCLES, "its circle", {"circle_id": "circle_id"}),))

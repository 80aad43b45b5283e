"""Seats of circles and who takes them: people of the leader's metro, with accounts of the same weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.network_tables import integers, permille_word
from sim.segments.entities_6a.s9_circles.circles import Circles
from sim.segments.entities_6a.s9_circles.counts import CircleCounts
from sim.segments.entities_6a.s9_circles.plan import CLUSTER, Demand
from sim.segments.entities_6a.s9_circles.pool import Pool, drawn, ranges
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params

SEAT = "6A.circle_seat"
WING = 1 << 12
"""Seats of a wing count up from here."""

CIRCLE_MEMBERS_NEEDS = Needs(
    config=("circles_6A",), streams=(SEAT,), kernels=("entity_hash",), uses=(WORDS_NEEDS,)
)


@dataclass(frozen=True)
class Seats:
    """Members of a partition's circles besides the leaders, in the order circle, seat.

    Attributes:
        circle: int64, s: row of the circle.
        party: int64, s: row of the party.
        seat: int64, s: number of the seat in its circle, from 0.
        helper: bool, s: an associate's seat.
        burst: bool, s: whether the account is of the circle's window by draw.
    """

    circle: Array
    party: Array
    seat: Array
    helper: Array
    burst: Array


def seats_of(ctx: PartitionContext, pool: Pool, circles: Circles, demand: Demand) -> Seats:
    """Who takes the seats.

    Seats of rings beyond the country's mules or associates stay empty, and so do those for whom nobody is
    left.

    Args:
        ctx: Context of 6A.S9.
        pool: Parties.
        circles: Circles of the partition.
        demand: What is asked of the countries.
    """
    circle = np.repeat(np.arange(len(circles.number)), circles.seats)
    seat = np.arange(len(circle)) - np.repeat(np.cumsum(circles.seats) - circles.seats, circles.seats)
    every, wing = int(ctx.params.circles_6A.helper_every), circles.leader[circle] < 0
    ring = circles.number[circle] < CLUSTER
    helper = ring & ~wing & (seat % every == every - 1)
    kept = _within(circles.country[circle], ring & ~helper, demand.mules)
    kept &= _within(circles.country[circle], ring & helper, demand.associates)
    made_up = circles.kind[circle] == ctx.code("circle_kind", "SYNTHETIC_CLUSTER")
    # The leader is one of them.
    heads = np.bincount(
        circles.country[circles.kind == ctx.code("circle_kind", "SYNTHETIC_CLUSTER")],
        minlength=len(demand.synthetic),
    )
    kept &= _within(circles.country[circle], made_up, np.maximum(demand.synthetic - heads, 0))
    circle, seat, helper, wing = circle[kept], seat[kept], helper[kept], wing[kept]
    number = seat + np.where(wing, WING, 0)
    x = words(
        ctx,
        SEAT,
        member_number=number,
        circle_number=circles.number[circle],
        country_name=ctx.name_hashes("country")[circles.home[circle]],
    )
    ctx.count(CircleCounts.seats, len(circle))
    kinds = circles.kind[circle]
    local = (x[0] < permille_word(_permille(ctx, "local_permille"))[kinds]) & ~wing
    burst = x[1] < permille_word(_permille(ctx, "burst_permille"))[kinds]
    first, second = (_found(ctx, pool, circles, circle, (local, burst), x[word]) for word in (2, 3))
    taken = np.zeros(len(pool.country), dtype=np.bool_)
    taken[circles.leader[circles.leader >= 0]] = True
    party = np.full(len(circle), -1, dtype=np.int64)
    for wanted in (first, second):
        open_ = np.flatnonzero((party < 0) & (wanted >= 0))
        open_ = open_[~taken[wanted[open_]]]
        # Of several who want a party the first has it.
        _, won = np.unique(wanted[open_], return_index=True)
        party[open_[won]] = wanted[open_[won]]
        taken[wanted[open_[won]]] = True
    rows = np.flatnonzero(party >= 0)
    return Seats(circle[rows], party[rows], seat[rows], helper[rows], burst[rows])


def _within(country: Array, counted: Array, most: Array) -> Array:
    """Rows that are not counted, and of those that are the first `most` of each country: bool."""
    rows = np.flatnonzero(counted)
    order = rows[np.argsort(country[rows], kind="stable")]
    here = country[order].astype(np.int64)
    before = np.searchsorted(here, here, side="left")
    keep = np.ones(len(country), dtype=np.bool_)
    keep[order] = np.arange(len(order)) - before < most[here]
    return keep


def _permille(ctx: Context, name: str) -> Array:
    """A figure of `kinds` by code of `circle_kind`: int64."""
    kinds = ctx.params.circles_6A.kinds
    return integers(ctx, "circle_kind", Params({kind: law[name] for kind, law in kinds.items()}))


def _found(
    ctx: Context, pool: Pool, circles: Circles, circle: Array, wish: tuple[Array, Array], x: Array
) -> Array:
    """A party for each seat: int64, -1 for none; without anybody of the window, anybody of the place."""
    local, burst = wish
    found = np.full(len(circle), -1, dtype=np.int64)
    days = int(ctx.params.circles_6A.burst_days)
    leader = circles.leader[circle]
    metro = pool.metro[np.maximum(leader, 0)] if len(pool.metro) else np.zeros(len(circle), dtype=np.uint32)
    for code, kind in enumerate(ctx.vocabulary("circle_kind")):
        rows = np.flatnonzero(circles.kind[circle] == code)
        if len(rows) == 0 or len(pool.country) == 0:
            continue
        places = ranges(pool, circles.country[circle[rows]], metro[rows], circles.start[circle[rows]], days)
        near, wide = local[rows], ~local[rows]
        for place, (order, who) in enumerate(
            ((0, near & burst[rows]), (0, near), (1, wide & burst[rows]), (1, wide))
        ):
            party = drawn(ctx, pool, kind, order, places[place], x[rows])
            found[rows] = np.where(who & (found[rows] < 0), party, found[rows])
    return found

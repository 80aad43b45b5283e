"""6A.S9: circles - people of several households who share devices and addresses, rings of mules among them.

Who is in which circle is decided before there are devices. So the states of devices and addresses treat all
circles alike, and nothing in their tables tells a ring from friends.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_of_row, run_starts
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.country_partitions import COUNTRY_PARTITIONS_NEEDS, country_ranges, span
from sim.segments.entities_6a.s9_circles.checks import CIRCLE_CHECKS_NEEDS, circle_checks, count_circles
from sim.segments.entities_6a.s9_circles.circles import CIRCLES_NEEDS, Circles, circles_of
from sim.segments.entities_6a.s9_circles.counts import CircleCounts
from sim.segments.entities_6a.s9_circles.members import CIRCLE_MEMBERS_NEEDS, Seats, seats_of
from sim.segments.entities_6a.s9_circles.plan import (
    CIRCLE_PLAN_NEEDS,
    CLUSTER,
    HONEST,
    Demand,
    circle_ids,
    demand_of,
)
from sim.segments.entities_6a.s9_circles.policy import refuse_impossible
from sim.segments.entities_6a.s9_circles.pool import CIRCLE_POOL_NEEDS, Pool, pool_of
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STATE = State(
    id="6A.S9",
    title="Circles",
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s1_party_summary_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
    },
    writes=("s9_circles_6A", "s9_circle_members_6A"),
    counts=(CircleCounts,),
    uses=(
        CELL_WORDS_NEEDS,
        CIRCLES_NEEDS,
        CIRCLE_CHECKS_NEEDS,
        CIRCLE_MEMBERS_NEEDS,
        CIRCLE_PLAN_NEEDS,
        CIRCLE_POOL_NEEDS,
        COUNTRY_PARTITIONS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Laws that contradict themselves are refused before anything runs."""
    refuse_impossible(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries; each knows what is asked of all."""
    asked = {name: values.tolist() for name, values in vars(demand_of(ctx)).items()}
    ranges_ = country_ranges(ctx, ctx.load("s1_party_summary_6A"))
    return [
        Partition(index, spec={"countries": [first, stop], "demand": asked}, weight=rows)
        for index, (first, stop, rows) in enumerate(ranges_)
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Circles of a run of countries, and their members."""
    demand = Demand(
        **{name: np.array(values, dtype=np.int64) for name, values in part.spec["demand"].items()}
    )
    parties = ctx.load(
        "s1_party_base_6A",
        part=part.index,
        columns=("party_id", "country_iso", "region_id", "party_type", "segment_id", "home_city_id"),
    )
    accounts = ctx.load(
        "s2_account_base_6A",
        part=part.index,
        columns=("account_id", "owner_party_id", "account_type", "open_date"),
    )
    pool = pool_of(ctx, parties, accounts)
    circles = circles_of(ctx, pool, _cells(ctx, parties), demand, span(part))
    seats = seats_of(ctx, pool, circles, demand)
    base, members = _frames(ctx, parties, pool, circles, seats)
    count_circles(ctx, base, members, parties, pool, circles, seats)
    return {"s9_circles_6A": base, "s9_circle_members_6A": members}


def _cells(ctx: PartitionContext, parties: Frame) -> tuple[Array, Array]:
    """`party_rank` and `party_cell` of each party: uint64."""
    summary = ctx.load("s1_party_summary_6A")
    first, last = (int(parties.party_id[0]), int(parties.party_id[-1])) if len(parties) else (1, 0)
    mine = summary.take((summary.first_party_no >= first) & (summary.first_party_no <= last))
    offsets = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(mine.parties)))
    group = run_of_row(offsets)
    rank = np.arange(len(parties), dtype=np.uint64) - offsets[:-1][group]
    return rank, cell_words(ctx, mine)[group]


def _frames(
    ctx: PartitionContext, parties: Frame, pool: Pool, circles: Circles, seats: Seats
) -> tuple[Frame, Frame]:
    """Rows of both tables, circles of a country in the order of their ids."""
    led = np.flatnonzero(circles.leader >= 0)
    wing = circles.leader < 0
    circle = np.concatenate((led, seats.circle))
    party = np.concatenate((circles.leader[led], seats.party))
    lead = np.concatenate((np.ones(len(led), dtype=np.bool_), np.zeros(len(seats.circle), dtype=np.bool_)))
    helper = np.concatenate((np.zeros(len(led), dtype=np.bool_), seats.helper))
    size = np.bincount(circle, minlength=len(wing))
    main = circle_ids(ctx, circles.home, circles.number)
    id = np.where(wing, circle_ids(ctx, circles.country, main & np.uint64(0xFFFFFFFF)), main)
    shown = np.flatnonzero(size > 0)
    order = shown[np.lexsort((id[shown], circles.country[shown]))]
    starts = run_starts(circles.country[order])
    number = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    place = np.full(len(wing), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    leader = circles.leader[order]
    no = (number + 1).astype(np.uint32)
    ringed = circles.number[order] < HONEST
    base = Frame(
        {
            "country_iso": circles.country[order],
            "circle_no": no,
            "circle_id": id[order],
            "circle_kind": circles.kind[order],
            "ring_id": np.where(ringed, main[order], np.uint64(0)),
            "members": size[order].astype(np.uint16),
            "leader_party_id": np.where(leader >= 0, parties.party_id[np.maximum(leader, 0)], np.uint64(0)),
            "home_metro_id": np.where(leader >= 0, pool.metro[np.maximum(leader, 0)], np.uint32(0)),
            "started_on": circles.start[order].astype(np.int32),
        },
        {"ring_id": ringed, "leader_party_id": leader >= 0, "home_metro_id": leader >= 0},
    )
    seat = np.concatenate((np.zeros(len(led), dtype=np.int64), seats.seat + 1))
    rank = np.lexsort((seat, place[circle]))
    circle, party, lead, helper, seat = (part[rank] for part in (circle, party, lead, helper, seat))
    where = place[circle]
    role = np.where(
        lead,
        ctx.code("circle_role", "LEADER"),
        np.where(helper, ctx.code("circle_role", "HELPER"), ctx.code("circle_role", "MEMBER")),
    )
    head = circles.leader[circle]
    brings = circles.number[circle] < CLUSTER
    members = Frame(
        {
            "country_iso": base.country_iso[where],
            "circle_no": no[where],
            "seat_no": seat.astype(np.uint16),
            "circle_id": base.circle_id[where],
            "party_id": parties.party_id[party],
            "circle_role": role.astype(np.int16),
            "in_metro": (head >= 0) & (pool.metro[party] == pool.metro[np.maximum(head, 0)]),
            "account_id": np.where(brings, pool.account[party], np.uint64(0)),
        },
        {"account_id": brings},
    )
    return base, members


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `circle_checks`."""
    return circle_checks(ctx, totals, demand_of(ctx))

"""Circles of a partition: number, kind, size, beginning and leader of each; wings of rings from abroad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import life_span
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.weights import POWER_NEEDS, power
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.entities_6a.network_tables import permille_word
from sim.segments.entities_6a.s6_fraud_roles.race import ROLE_RACE_NEEDS, places, winners
from sim.segments.entities_6a.s9_circles.counts import CircleCounts
from sim.segments.entities_6a.s9_circles.plan import CLUSTER, HONEST, RING, Demand
from sim.segments.entities_6a.s9_circles.pool import Pool
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

CIRCLE, LEADER = "6A.circle", "6A.circle_leader"

CIRCLES_NEEDS = Needs(
    config=("circles_6A", "scenario_horizon_5A"),
    streams=(CIRCLE, LEADER),
    kernels=("bounded_integer",),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, POWER_NEEDS, ROLE_RACE_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Circles:
    """Circles of a partition, in the order country, number; wings last.

    Attributes:
        country: int16, c: country whose parties they are.
        home: int16, c: country the number counts in: another one for wings.
        number: int64, c.
        kind: int16, c: codes of `circle_kind`.
        start: int64, c: day of the beginning.
        seats: int64, c: members besides the leader.
        leader: int64, c: row of the leading party, -1 for wings.
    """

    country: Array
    home: Array
    number: Array
    kind: Array
    start: Array
    seats: Array
    leader: Array


def circles_of(
    ctx: PartitionContext, pool: Pool, cell: tuple[Array, Array], demand: Demand, span: tuple[int, int]
) -> Circles:
    """All circles with members in a run of countries.

    Args:
        ctx: Context of 6A.S9.
        pool: Parties.
        cell: `party_rank` and `party_cell` of each party's draws.
        demand: What is asked of the world's countries.
        span: Country codes [first, stop).
    """
    country, number, leader = _led(ctx, pool, cell, demand, span)
    at = ctx.address(CIRCLE, circle_number=number, country_name=ctx.name_hashes("country")[country])
    ctx.ledger(at)
    x = words_at(ctx, at)
    kind = _kinds(ctx, pool, number, leader, x[2])
    size, start = _sizes(ctx, kind, x[0]), _start(ctx, x[1])
    away = np.where(_abroad(ctx, number, x[2], demand), _wing_seats(ctx, size), 0)
    seats = np.maximum(size - 1 - away, 0)
    wings = _wings(ctx, demand, span)
    return Circles(
        np.concatenate((country, wings.country)),
        np.concatenate((country, wings.home)),
        np.concatenate((number, wings.number)),
        np.concatenate((kind, wings.kind)),
        np.concatenate((start, wings.start)),
        np.concatenate((seats, wings.seats)),
        np.concatenate((leader, wings.leader)),
    )


def _led(
    ctx: PartitionContext, pool: Pool, cell: tuple[Array, Array], demand: Demand, span: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Country, number and leader of each circle: leaders are raced for, rings come first."""
    law = ctx.params.circles_6A
    offsets: Array = np.searchsorted(pool.country, np.arange(span[0], span[1] + 1)).astype(np.uint64)
    score = pool.lead
    able: Array = np.append(0, np.cumsum(score > 0)).astype(np.int64)
    first_row, stop_row = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    room: Array = able[stop_row] - able[first_row]
    here = slice(span[0], span[1])
    rings = np.minimum(demand.rings[here], room)
    clusters = demand.synthetic[here] * int(law.synthetic_permille) // 1000 // _mean(ctx, "SYNTHETIC_CLUSTER")
    clusters = np.minimum(clusters, room - rings)
    honest = np.minimum(
        demand.rings[here] * int(law.lookalikes_per_ring),
        demand.parties[here] * int(law.leaders_most_permille) // 1000,
    )
    fits = np.minimum(honest, room - rings - clusters)
    ctx.count(CircleCounts.roomless, int((honest - fits).sum()))
    honest = fits
    quota = rings + clusters + honest
    # Where no circle is wanted nobody races.
    racing = np.flatnonzero(np.repeat(quota > 0, stop_row - first_row))
    place = np.full(len(score), np.uint64(0xFFFFFFFFFFFFFFFF))
    at = ctx.address(LEADER, party_rank=cell[0][racing], party_cell=cell[1][racing])
    ctx.count(CircleCounts.raced, len(racing))
    place[racing] = places(ctx, at, score[racing])
    leader = winners(ctx, place, offsets, quota.astype(np.uint64))
    codes = np.repeat(np.arange(span[0], span[1]), quota)
    within = np.arange(len(leader)) - np.repeat(np.cumsum(quota) - quota, quota)
    first, second = np.repeat(rings, quota), np.repeat(rings + clusters, quota)
    number = np.where(
        within < first,
        RING + within,
        np.where(within < second, CLUSTER + within - first, HONEST + within - second),
    )
    return codes.astype(np.int16), number, leader


def _kinds(ctx: Context, pool: Pool, number: Array, leader: Array, x: Array) -> Array:
    """Kind of each circle: of an honest one by who leads it."""
    law, names = ctx.params.circles_6A.honest_kinds, ctx.vocabulary("circle_kind")
    kind = np.full(len(number), ctx.code("circle_kind", "MULE_RING"), dtype=np.int16)
    kind[number >= CLUSTER] = ctx.code("circle_kind", "SYNTHETIC_CLUSTER")
    honest = np.flatnonzero(number >= HONEST)
    sort = np.where(pool.business[leader[honest]], 0, np.where(pool.student[leader[honest]], 1, 2))
    tables = np.array(
        [
            [int(law[who][name]) if name in law[who] else 0 for name in names]
            for who in ("business", "student", "other")
        ],
        dtype=np.uint64,
    )
    offsets = np.arange(4, dtype=np.uint64) * np.uint64(len(names))
    alias = build_alias(ctx, offsets, tables.ravel())
    kind[honest] = alias.pick(ctx, x[honest], sort) % len(names)
    return kind


def _size_weights(ctx: Context, name: str) -> tuple[Array, Array]:
    law = ctx.params.circles_6A.kinds[name].size
    sizes = np.arange(int(law.smallest), int(law.largest) + 1)
    weight = np.floor(power(ctx, sizes.astype(np.float64), -law.exponent) * 2.0**40).astype(np.uint64)
    return sizes, weight + np.uint64(1)


def _mean(ctx: Context, name: str) -> int:
    sizes, weight = _size_weights(ctx, name)
    return max(
        1, int((sizes.astype(np.uint64) * (weight >> np.uint64(8))).sum() // (weight >> np.uint64(8)).sum())
    )


def _sizes(ctx: Context, kind: Array, x: Array) -> Array:
    """Parties of each circle by the law of its kind, the leader counted: int64."""
    size = np.zeros(len(kind), dtype=np.int64)
    for code, name in enumerate(ctx.vocabulary("circle_kind")):
        rows = np.flatnonzero(kind == code)
        sizes, weight = _size_weights(ctx, name)
        table = build_alias(ctx, np.array([0, len(sizes)], dtype=np.uint64), weight)
        size[rows] = sizes[table.pick(ctx, x[rows], np.zeros(len(rows), dtype=np.int64))]
    return size


def _start(ctx: Context, x: Array) -> Array:
    span, before = life_span(ctx.params.scenario_horizon_5A), int(ctx.params.circles_6A.started_days_before)
    width = np.full(len(x), before + span.days, dtype=np.uint64)
    found: Array = span.first_day - before + ctx.kernels.bounded_integer(x=x, bound=width).astype(np.int64)
    return found


def _wing_seats(ctx: Context, size: Array) -> Array:
    found: Array = np.maximum(size * int(ctx.params.circles_6A.abroad.members_permille) // 1000, 1)
    return found


def _abroad(ctx: Context, number: Array, x: Array, demand: Demand) -> Array:
    """Which circles have members in another country: rings alone, in worlds of two countries with mules."""
    limit = permille_word(np.full(len(number), int(ctx.params.circles_6A.abroad.permille)))
    found: Array = (number < CLUSTER) & (x < limit) & (np.count_nonzero(demand.mules) > 1)
    return found


def _wings(ctx: Context, demand: Demand, span: tuple[int, int]) -> Circles:
    """Members that rings of other countries have here; every ring of the world is drawn again."""
    home = np.repeat(np.arange(len(demand.rings)), demand.rings)
    number = np.arange(len(home)) - np.repeat(np.cumsum(demand.rings) - demand.rings, demand.rings)
    x = words_at(
        ctx, ctx.address(CIRCLE, circle_number=number, country_name=ctx.name_hashes("country")[home])
    )
    kind = np.full(len(home), ctx.code("circle_kind", "MULE_RING"), dtype=np.int16)
    # A country in proportion to its mules, the ring's own left out.
    mules = demand.mules.astype(np.uint64)
    ends = np.cumsum(mules)
    others = ends[-1] - mules[home] if len(ends) else mules[home]
    step = ctx.kernels.bounded_integer(x=x[3], bound=np.maximum(others, np.uint64(1)))
    step += np.where(step >= ends[home] - mules[home], mules[home], np.uint64(0))
    country = np.searchsorted(ends, step, side="right")
    out = _abroad(ctx, number, x[2], demand) & (country >= span[0]) & (country < span[1]) & (others > 0)
    rows = np.flatnonzero(out)
    seats = _wing_seats(ctx, _sizes(ctx, kind[rows], x[0][rows]))
    return Circles(
        country[rows].astype(np.int16),
        home[rows].astype(np.int16),
        number[rows],
        kind[rows],
        _start(ctx, x[1][rows]),
        seats,
        np.full(len(rows), -1, dtype=np.int64),
    )

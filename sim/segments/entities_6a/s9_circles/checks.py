"""Checks of circles over all their rows: numbers, sizes, who is together, what the laws promise."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.segments.entities_6a.s9_circles.circles import Circles
from sim.segments.entities_6a.s9_circles.counts import CircleCounts
from sim.segments.entities_6a.s9_circles.members import Seats
from sim.segments.entities_6a.s9_circles.plan import CLUSTER, Demand
from sim.segments.entities_6a.s9_circles.pool import Pool
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Check, Needs
from sim.state.frames import Frame
from sim.state.totals import Totals

CIRCLE_CHECKS_NEEDS = Needs(config=("circles_6A", "realism_gates_posture_6A"))


def count_circles(
    ctx: PartitionContext,
    base: Frame,
    members: Frame,
    parties: Frame,
    pool: Pool,
    circles: Circles,
    seats: Seats,
) -> None:
    """Integer sums of a partition, over its rows as published."""
    kinds, countries = len(ctx.vocabulary("circle_kind")), len(ctx.vocabulary("country"))
    first = parties.party_id[0] if len(parties) else np.uint64(1)
    row = (members.party_id - first).astype(np.int64)
    circle = np.repeat(np.arange(len(base)), base.members.astype(np.int64))
    kind = base.circle_kind[circle]
    ctx.count(CircleCounts.members, np.bincount(kind, minlength=kinds))
    ctx.count(CircleCounts.circles, np.bincount(base.circle_kind, minlength=kinds))
    ctx.count(CircleCounts.twice, len(row) - len(np.unique(row)))
    ring = ctx.code("circle_kind", "MULE_RING")
    led = base.present("leader_party_id")
    ctx.count(
        CircleCounts.rings,
        np.bincount(base.country_iso[led & (base.circle_kind == ring)], minlength=countries),
    )
    ctx.count(CircleCounts.honest, int((~base.present("ring_id")).sum()))
    ctx.count(CircleCounts.wings, int((circles.leader < 0).sum()))
    follows = (members.circle_role != ctx.code("circle_role", "LEADER")) & led[circle]
    ctx.count(CircleCounts.followers, np.bincount(kind[follows], minlength=kinds))
    ctx.count(CircleCounts.same_metro, np.bincount(kind[follows & members.in_metro], minlength=kinds))
    days = np.abs(pool.day[row] - base.started_on[circle])
    close = days <= int(ctx.params.circles_6A.burst_days)
    ctx.count(CircleCounts.in_window, np.bincount(kind[follows & close], minlength=kinds))
    helper = members.circle_role == ctx.code("circle_role", "HELPER")
    mule = (kind == ring) & (members.circle_role == ctx.code("circle_role", "MEMBER"))
    ctx.count(CircleCounts.helpers, np.bincount(members.country_iso[helper], minlength=countries))
    ctx.count(CircleCounts.mules, np.bincount(members.country_iso[mule], minlength=countries))
    ctx.count(CircleCounts.drawn, int((circles.leader >= 0).sum()))
    ctx.count(CircleCounts.lonely, int((seats.burst & (circles.number[seats.circle] < CLUSTER)).sum()))
    at, day = seats.circle, pool.day[seats.party]
    near = np.abs(day - circles.start[at]) <= int(ctx.params.circles_6A.burst_days)
    ctx.count(CircleCounts.lonely, -int((seats.burst & near & (circles.number[at] < CLUSTER)).sum()))


def circle_checks(ctx: Context, totals: Totals, demand: Demand) -> list[Check]:
    """Model checks of circles and their members."""
    seen, law = CircleCounts(totals), ctx.params.circles_6A
    gates = ctx.params.realism_gates_posture_6A
    names = ctx.vocabulary("circle_kind")
    rings = int(seen.rings.sum())
    missing = int(np.abs(seen.rings - demand.rings).sum())
    honest = int(
        np.minimum(
            demand.rings * int(law.lookalikes_per_ring),
            demand.parties * int(law.leaders_most_permille) // 1000,
        ).sum()
    )
    over = int(
        np.maximum(seen.mules - demand.mules, 0).sum() + np.maximum(seen.helpers - demand.associates, 0).sum()
    )
    sizes = dict(zip(names, zip(seen.circles.tolist(), seen.members.tolist(), strict=True), strict=True))
    mine = ctx.code("circle_kind", "MULE_RING")
    followers, near, new = (int(counts[mine]) for counts in (seen.followers, seen.same_metro, seen.in_window))
    sigma = float(gates.rings.sigma)
    return [
        Check("rings of each country", missing == 0, rings, int(demand.rings.sum()), "one an organiser"),
        Check(
            "honest circles for each ring",
            int(seen.honest) + int(seen.roomless) == honest,
            {"honest": int(seen.honest), "without room": int(seen.roomless)},
            honest,
            f"{law.lookalikes_per_ring} a ring; fewer in countries of few parties",
        ),
        Check("a party is in one circle", int(seen.twice) == 0, int(seen.twice), 0, "members again"),
        Check("rings fit the mules of each country", over == 0, over, 0, "seats beyond the targets of roles"),
        Check(
            "members of circles",
            all(circles <= members for circles, members in sizes.values()),
            sizes,
            "at least one a circle",
            "circles and members by kind",
        ),
        _at_least(
            "members in the leader's metro",
            near,
            followers,
            int(law.kinds.MULE_RING.local_permille),
            sigma,
            0,
        ),
        _at_least(
            "members who joined within the window",
            new,
            followers,
            int(law.kinds.MULE_RING.burst_permille),
            sigma,
            int(seen.lonely),
        ),
        _wings(ctx, int(seen.wings), demand),
        ledger_check(totals, "6A.circle", int(seen.drawn), 4),
        ledger_check(totals, "6A.circle_leader", int(seen.raced), 1),
        ledger_check(totals, "6A.circle_seat", int(seen.seats), 4),
    ]


def _wings(ctx: Context, found: int, demand: Demand) -> Check:
    """Rings with members in another country: as many as the law says, but for the sampling error."""
    share = int(ctx.params.circles_6A.abroad.permille) / 1000
    several = int(np.count_nonzero(demand.mules)) > 1
    mean = share * int(demand.rings.sum()) if several else 0.0
    error = float(ctx.params.realism_gates_posture_6A.rings.sigma) * (mean * (1.0 - share)) ** 0.5
    bounds = [mean - error, mean + error]
    note = f"of {int(demand.rings.sum())} rings; none where one country has all mules"
    return Check("rings with members abroad", bounds[0] <= found <= bounds[1], found, bounds, note)


def _at_least(name: str, found: int, whole: int, permille: int, sigma: float, nobody: int) -> Check:
    """A binomial share that may be above its law (others are there by chance), not below."""
    share = permille / 1000
    slack = sigma * float(np.sqrt(whole * share * (1 - share)))
    figures = {"members": whole, "found": found, "nobody there": nobody}
    note = f"of rings, permille of {permille} less {sigma} standard errors; nobody there: the place had none"
    return Check(name, found + nobody >= whole * share - slack, figures, permille, note)

"""How well one feature alone tells a role: the exact area under its ROC curve, over all parties.

A role that one column gives away teaches a model nothing. The area is that of "ranks a bearer above another
party" (Mann-Whitney), from whole-number histograms; a column without an order is ranked by how common the
role is in each of its values, which is the best that any ranking can do.
"""

from __future__ import annotations

import numpy as np

from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.s6_fraud_roles.parties import Roles
from sim.segments.entities_6a.s6_fraud_roles.people import People
from sim.segments.entities_6a.tenure import DAYS_NEEDS, Days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

BINS = 64
ORDERED: tuple[str, ...] = (
    "accounts",
    "devices",
    "quarters as a customer",
    "months of the newest account",
    "household members",
    "shares a device",
    "hides behind addresses",
    "risk tier",
)
UNORDERED = ("segment",)

SEPARABILITY_NEEDS = Needs(config=("realism_gates_posture_6A",), uses=(DAYS_NEEDS,))


class SeparabilityCounts(Counters):
    """Parties by role and value of each feature."""

    values = Each((*ORDERED, *UNORDERED), Vector("party_role", BINS))


def count_features(
    ctx: PartitionContext,
    people: People,
    groups: Frame,
    accounts: Frame,
    owner: Array,
    links: Links,
    parties: Roles,
    tier: Array,
) -> None:
    """Histograms of a piece.

    Args:
        ctx: Context of 6A.S6.
        people: Parties.
        groups: Rows of s1_party_summary_6A of the piece.
        accounts: Accounts with `open_date`.
        owner: int64: row of each account's owner.
        links: Who uses what.
        parties: Roles of the parties.
        tier: int16: their risk tiers.
    """
    count, age = len(people.frame), Days.of_horizon(ctx).age(accounts.open_date)
    oldest, newest = np.zeros(count, dtype=np.int64), np.full(count, 1 << 40, dtype=np.int64)
    np.maximum.at(oldest, owner, age)
    np.minimum.at(newest, owner, age)
    home = (people.frame.household_id - people.frame.household_id.min()).astype(np.int64) if count else owner
    found = {
        "accounts": np.bincount(owner, minlength=count),
        "devices": np.bincount(links.user_party, minlength=count),
        "quarters as a customer": oldest // 91,
        "months of the newest account": newest // 30,
        "household members": np.bincount(home)[home] if count else home,
        "shares a device": people.feature[1] > 0,
        "hides behind addresses": people.feature[0] > 0,
        "risk tier": tier,
        "segment": np.repeat(groups.segment_id, groups.parties.astype(np.int64)),
    }
    roles = len(ctx.vocabulary("party_role"))
    for name, value in found.items():
        at = parties.role.astype(np.int64) * BINS + np.clip(value.astype(np.int64), 0, BINS - 1)
        ctx.count(SeparabilityCounts.values[name], np.bincount(at, minlength=roles * BINS))


def area(bearers: Array, others: Array) -> float:
    """Area under the ROC curve of a ranking, exact but for the last division: 0.5 where a side is empty.

    Args:
        bearers: int64, values: bearers of the role by value, the values in the order of the ranking.
        others: int64, values: everybody else.
    """
    below = np.cumsum(others) - others
    # At most 2 x 2**22 bearers x 2**26 others: below 2**50.
    twice = int((bearers * (2 * below + others)).sum())
    pairs = int(bearers.sum()) * int(others.sum())
    return twice / (2 * pairs) if pairs else 0.5


def separability_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Of each role the feature that tells it best: at most a bound, and what chance adds for few bearers."""
    seen, gates = SeparabilityCounts(totals), ctx.params.realism_gates_posture_6A.separability
    result, tables = [], dict(seen.values)
    for code, role in enumerate(ctx.vocabulary("party_role")):
        if code == ctx.code("party_role", "CLEAN"):
            continue
        areas = {}
        for name in (*ORDERED, *UNORDERED):
            bearers = tables[name][code].astype(np.int64)
            others = tables[name].sum(axis=0).astype(np.int64) - bearers
            if name in UNORDERED:
                share = bearers / np.maximum(bearers + others, 1)
                order = np.argsort(share, kind="stable")
                bearers, others = bearers[order], others[order]
            found = area(bearers, others)
            areas[name] = round(max(found, 1 - found), 4)
        count = int(tables["segment"][code].sum())
        # The variance of the area is at most area x (1 - area) / bearers (Birnbaum and Klose 1957).
        most = int(gates.feature_most_permille) / 1000
        slack = float(gates.sigma) * (most * (1 - most) / max(count, 1)) ** 0.5
        best = max(areas, key=lambda name: areas[name])
        figures = {"bearers": count, "best": best, **areas}
        limits = {"area": most, "slack": round(slack, 4)}
        result.append(Check(f"best single feature of {role}", areas[best] <= most + slack, figures, limits))
    return result

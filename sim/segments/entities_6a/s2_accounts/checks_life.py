"""Checks of when accounts opened, froze and closed: over all rows."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.weekdays import Weekdays
from sim.segments.entities_6a.calendar_checks import (
    CALENDAR_CHECKS_NEEDS,
    OLDEST_DAYS,
    by_age,
    share_check,
    spike_check,
)
from sim.segments.entities_6a.s2_accounts.cells import required
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, NEVER, Days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

LIFE_CHECKS_NEEDS = Needs(
    config=("party_life_6A", "realism_gates_people_6A"),
    uses=(CALENDAR_CHECKS_NEEDS,),
)


class LifeCounts(Counters):
    """Days of opening, freezing and closing of parties' accounts as published."""

    wrong_dates = Scalar()
    opened = Vector(OLDEST_DAYS)
    on_weekend = Scalar()
    closed = Scalar()
    years = Scalar()
    frozen = Scalar()
    frozen_inside = Scalar()


def count_lives(ctx: PartitionContext, base: Frame, owner: Array, parties: Frame) -> None:
    """Days of opening, freezing and closing, and those that contradict each other or the owner's.

    Args:
        ctx: Context of the partition.
        base: As in `count_accounts`.
        owner: int64, n: row of each account's owner.
        parties: As in `count_accounts`.
    """
    days = Days.of_horizon(ctx)
    joined, left = (
        parties.joined_date[owner],
        np.where(parties.present("left_date"), parties.left_date, NEVER)[owner],
    )
    closes, freezes = base.present("close_date"), base.present("frozen_date")
    closed = np.where(closes, base.close_date, NEVER)
    first = np.flatnonzero(ctx.columns.take(required(ctx), base.account_type))
    first = first[run_starts(owner[first])]
    wrong = (base.open_date < joined) | (base.open_date > days.last) | (base.open_date >= left)
    wrong |= closes & ((closed <= base.open_date) | (closed < days.first) | (closed > days.last))
    wrong |= closed > left
    wrong |= freezes & (
        (base.frozen_date < base.open_date) | (base.frozen_date > np.minimum(closed, days.last))
    )
    wrong |= closes != (base.status == ctx.code("account_status", "CLOSED"))
    wrong |= (base.status == ctx.code("account_status", "FROZEN")) != (freezes & ~closes)
    late = (base.open_date[first] != joined[first]) | (closed[first] != left[first])
    ctx.count(LifeCounts.wrong_dates, int(wrong.sum()) + int(late.sum()))
    ctx.count(LifeCounts.opened, by_age(ctx, base.open_date))
    week = Weekdays.by_country(ctx, ctx.params.party_life_6A.weekend_permille)
    ctx.count(LifeCounts.on_weekend, int(week.on_weekend(ctx, base.open_date, base.country_iso).sum()))
    ctx.count(LifeCounts.closed, int(closes.sum()))
    # Days of the horizon on which each account could have closed.
    until = np.minimum(closed, days.last)
    exposed = np.maximum(until - days.may_close_from(base.open_date) + np.int32(1), np.int32(0))
    ctx.count(LifeCounts.years, int(exposed.sum(dtype=np.int64)))
    # Only what lived before the horizon could freeze before it.
    older = freezes & (base.open_date < days.first)
    ctx.count(LifeCounts.frozen, int(older.sum()))
    ctx.count(LifeCounts.frozen_inside, int((older & (base.frozen_date >= days.first)).sum()))


def life_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Rates and days of opening, freezing and closing against `realism_gates_people_6A`.

    Args:
        ctx: Context with `LIFE_CHECKS_NEEDS`.
        totals: Sums of `count_lives`.
    """
    seen, gates = LifeCounts(totals), ctx.params.realism_gates_people_6A
    rows = int(seen.opened.sum())
    young = int(gates.young_days)
    recent = int(seen.opened[:young].sum())
    years = rows * young / DAYS_A_YEAR
    return [
        Check(
            "dates of accounts agree with their owners'",
            seen.wrong_dates == 0,
            seen.wrong_dates,
            0,
            "accounts open before their owner joined, after the horizon or after it left; that are frozen or "
            "closed out of order; or whose state is another one; first accounts of other dates",
        ),
        spike_check(ctx, "days of opening without a spike", seen.opened),
        share_check(
            ctx, "young accounts", recent, rows, gates.young_accounts_permille,
            f"opened in the last {young} days",
        ),
        share_check(
            ctx, "accounts that open", recent, years, gates.opened_a_year_permille,
            f"a year, by the last {young} days",
        ),
        share_check(
            ctx, "accounts that close", seen.closed, seen.years / DAYS_A_YEAR, gates.closed_a_year_permille,
            "a year of the horizon in which they could",
        ),
        share_check(
            ctx, "openings on weekends", seen.on_weekend, rows, gates.weekend_permille,
            "by the country's weekend",
        ),
        share_check(
            ctx, "freezes inside the horizon", seen.frozen_inside, seen.frozen, gates.frozen_inside_permille,
            "of accounts that are older than the horizon and frozen",
        ),
    ]  # fmt: skip

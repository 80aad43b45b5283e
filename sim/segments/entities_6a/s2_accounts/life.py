"""When accounts opened, froze and closed, and whether they are in use: seven draws an account.

A party's first account, one of the type it must have, opens on the day the party joins and closes on the day
it leaves. Its other accounts open in between, some on the first day too; all that are still open close on the
day of leaving. States are as of the horizon's end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.terms import WHOLE, by_term, shares
from sim.recipes.weekdays import WEEKDAYS_NEEDS, Weekdays
from sim.segments.entities_6a.s2_accounts.cells import ACCOUNT_CELLS_NEEDS, party_account_types
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, NEVER, TENURE_NEEDS, AgeLaws, Days
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

ACCOUNT_LIFE_NEEDS = Needs(
    config=("account_life_6A", "account_taxonomy_6A", "party_life_6A", "party_taxonomy_6A"),
    kernels=("bounded_integer",),
    uses=(ACCOUNT_CELLS_NEEDS, TENURE_NEEDS, WEEKDAYS_NEEDS),
)
OPENING, STATUS, OPENING_WEEKDAY, CLOSING, CLOSING_WEEKDAY, FREEZE, FREEZE_DAY = range(7)
"""Which draw decides what."""


@dataclass(frozen=True)
class Owners:
    """What each account knows of its owner and of itself.

    Attributes:
        country: int16, n.
        joined: int32, n: day the owner joined.
        left: int32, n: day it left; `NEVER` if it stays.
        first: bool, n: whether it is the owner's first account.
    """

    country: Array
    joined: Array
    left: Array
    first: Array


def account_life(
    ctx: Context, drawn: tuple[Array, ...], owners: Owners, segment: Array, kind: Array, group: Array
) -> Frame:
    """Columns `open_date`, `close_date`, `frozen_date` and `status` of parties' accounts.

    Args:
        ctx: Context.
        drawn: Seven words an account.
        owners: Its owner.
        segment: int16, k: owners' segment of each cell.
        kind: int64, k: account type of each cell.
        group: n: cell of each account.
    """
    take, days = ctx.columns.take, Days.of_horizon(ctx)
    life, taxonomy = ctx.params.account_life_6A, ctx.params.account_taxonomy_6A.party_accounts
    week = Weekdays.by_country(ctx, ctx.params.party_life_6A.weekend_permille)
    types = len(ctx.vocabulary("account_type"))
    factor, at_once, rate = (np.zeros(types, dtype=np.float64) for _ in range(3))
    for code, name in party_account_types(ctx):
        ledger = taxonomy[name].ledger
        factor[code] = life.tenure_factor[ledger]
        at_once[code] = life.with_first_permille[ledger] / np.float64(1000)
        rate[code] = life.closed_a_year[ledger]
    segments = by_term(ctx, "segment", ctx.params.party_taxonomy_6A.segments, "party_taxonomy_6A.segments")
    median = np.array([row.tenure_median_years for row in segments], dtype=np.float64)[segment] * factor[kind]
    laws = AgeLaws.by_median(
        ctx,
        median,
        life.tenure_sigma,
        rate=life.opened_a_median,
        share=life.opening_share,
        at_once=at_once[kind],
    )
    # Who leaves opens nothing on the last day.
    last = np.minimum(owners.left - np.int32(1), days.last)
    since = laws.ages(ctx, drawn[OPENING], (last - owners.joined + np.int32(1)).astype(np.float64), group)
    opened = week.settle(ctx, last - since, owners.country, drawn[OPENING_WEEKDAY], owners.joined)
    opened = np.where(owners.first, owners.joined, opened)

    own = np.where(owners.first, np.float64(0.0), take(rate[kind], group))
    closes = days.closing(ctx, drawn[CLOSING], opened, own)
    closes = np.where(
        closes == NEVER,
        closes,
        week.settle(ctx, closes, owners.country, drawn[CLOSING_WEEKDAY], days.may_close_from(opened)),
    )
    closed = np.minimum(closes, owners.left)
    return _states(ctx, drawn, opened, closed, take(status_limits(ctx)[kind], group))


def _states(ctx: Context, drawn: tuple[Array, ...], opened: Array, closed: Array, limits: Array) -> Frame:
    """Dates and states; a freeze after the closing is none, and nothing young is dormant."""
    life, days = ctx.params.account_life_6A, Days.of_horizon(ctx)
    code = {name: np.int16(ctx.code("account_status", name)) for name in ctx.vocabulary("account_status")}
    state = status(ctx, drawn[STATUS], limits)
    young = opened > days.last - np.int32(life.dormant_after_days)
    state = np.where((state == code["DORMANT"]) & young, code["ACTIVE"], state)
    day = _frozen(ctx, drawn, opened)
    freezes = (state == code["FROZEN"]) & (day <= closed)
    closes = closed != NEVER
    return Frame(
        {
            "open_date": opened,
            "close_date": np.where(closes, closed, np.int32(0)),
            "frozen_date": np.where(freezes, day, np.int32(0)),
            "status": np.where(closes, code["CLOSED"], state),
        },
        {"close_date": closes, "frozen_date": freezes},
    )


def _frozen(ctx: Context, drawn: tuple[Array, ...], opened: Array) -> Array:
    """Day on which each account would freeze, inside the horizon or before it: int32, n."""
    life, days = ctx.params.account_life_6A, Days.of_horizon(ctx)
    point = ctx.kernels.bounded_integer(x=drawn[FREEZE], bound=np.full_like(drawn[FREEZE], 1000))
    inside = (point < np.uint64(life.frozen_inside_permille)) | (opened >= days.first)
    before = days.first - np.int32(life.frozen_since_years * DAYS_A_YEAR)
    low = np.maximum(opened, np.where(inside, days.first, before))
    high = np.where(inside, days.last, days.first - np.int32(1))
    span = (high - low + np.int32(1)).astype(np.uint64)
    day: Array = low + ctx.kernels.bounded_integer(x=drawn[FREEZE_DAY], bound=span).astype(np.int32)
    return day


def status_limits(ctx: Context) -> Array:
    """Running totals of the status mix of each account type's ledger, in ten-thousandths.

    uint64, types x statuses.
    """
    taxonomy, mix = ctx.params.account_taxonomy_6A, ctx.params.account_life_6A.status_mix
    rows = []
    for name in ctx.vocabulary("account_type"):
        ledger = taxonomy.party_accounts[name].ledger if name in taxonomy.party_accounts else "SETTLEMENT"
        rows.append(
            np.cumsum(shares(ctx, "account_status", mix[ledger], f"account_life_6A.status_mix.{ledger}"))
        )
    return np.stack(rows)


def status(ctx: Context, words: Array, limits: Array) -> Array:
    """Status codes drawn from running totals (uint64, n x statuses): int16."""
    point = ctx.kernels.bounded_integer(x=words, bound=np.full_like(words, WHOLE))
    code = np.zeros_like(words, dtype=np.int16)
    for column in range(limits.shape[1] - 1):
        code += point >= limits[:, column]
    return code

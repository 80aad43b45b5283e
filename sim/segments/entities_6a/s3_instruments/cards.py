"""The cards of an instrument, one after another: issue, activation, expiry, loss, and the next one.

An instrument is what an account pays with; its cards are the pieces that carry it. The first card told of is
valid when the horizon begins, or is the first of an account that opens inside it. A card is reissued weeks
before it expires, or replaced after a loss. The old card ends on the day the new one is activated, or when it
is lost, so no instrument has two live cards on one day.

A loss falls on one day of as many years as cards last on average, drawn uniformly: a constant hazard without
a logarithm, good for horizons far shorter than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import life_span
from sim.recipes.months import first_day_of_month, last_valid_day, month_of_day
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.terms import WHOLE
from sim.recipes.weekdays import WEEK, WEEKDAYS_NEEDS, Weekdays
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words_at
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame, concat

LIFE = "6A.card_life"
_MONTH = 487, 16
"""Days of a mean month, as a fraction."""
_HALF_MONTH = 15
_DAYS_A_YEAR = 365.25
_MOST_CARDS = 200
VALIDITY, LAG, WEEKDAY, LEAD, RENEWAL, LOSS = range(6)
"""Which draw of a card decides what."""

CARD_LIFE_NEEDS = Needs(
    config=("card_life_6A", "instrument_taxonomy_6A", "scenario_horizon_5A"),
    streams=(LIFE,),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, BELOW_NEEDS, WEEKDAYS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Carried:
    """Instruments that are cards.

    Attributes:
        row: int64, n: row of the instrument.
        kind: int16, n: its type.
        country: int16, n.
        opened, closed: int64, n: first day of its account, and the day it closes (far away if it does not).
        prompt: bool, n: whether it comes with the account and not later.
        age: uint64, n: word of its age.
        fields: Address fields `account`, `instrument_number`, `instrument_cell`.
    """

    row: Array
    kind: Array
    country: Array
    opened: Array
    closed: Array
    prompt: Array
    age: Array
    fields: dict[str, Array]

    def __len__(self) -> int:
        return len(self.row)


def card_rows(ctx: PartitionContext, carried: Carried) -> Frame:
    """Cards in the order of instrument and number.

    Returns:
        `at` (int64: place in `carried`), `card_no` (from 1), `number_no` (which number of the instrument it
        bears, from 1), `issue_date`, `activation_date`, `expiry_month` (first day), `closed_date` (int32) and
        `status`; days after the horizon are not present.
    """
    made: list[Frame] = []
    span = life_span(ctx.params.scenario_horizon_5A)
    first_day, last = span.first_day, span.first_day + span.days - 1
    at = np.arange(len(carried))
    number = np.ones(len(carried), dtype=np.int64)
    issue, ahead = np.zeros(len(carried), dtype=np.int64), np.ones(len(carried), dtype=np.bool_)
    for card in range(_MOST_CARDS):
        if len(at) == 0:
            break
        x = _words(ctx, carried, at, card)
        months = _months(ctx, x[VALIDITY])
        if card == 0:
            issue = _first_issue(ctx, carried, months, (first_day, last))
        limit = np.minimum(last, carried.closed[at] - 1)
        issue = _settled(ctx, issue, carried.country[at], x[WEEKDAY], ahead, limit)
        row, successor = _one(ctx, carried, at, issue, months, x, (first_day, last))
        row = row.with_columns(
            at=at,
            card_no=np.full(len(at), card + 1, dtype=np.uint8),
            number_no=number.astype(np.uint8),
        )
        made.append(row)
        goes = np.flatnonzero(successor.issue <= limit)
        at, issue, ahead = at[goes], successor.issue[goes], successor.lost[goes]
        number = number[goes] + ahead
    rows = _linked(ctx, concat(made), carried, last)
    return rows.take(np.lexsort((rows.card_no, rows["at"])))


def _words(ctx: PartitionContext, carried: Carried, at: Array, card: int) -> tuple[Array, ...]:
    fields = {name: values[at] for name, values in carried.fields.items()}
    address = ctx.address(LIFE, card_number=np.full(len(at), card), **fields)
    ctx.ledger(address)
    return words_at(ctx, address)


def _months(ctx: Context, words: Array) -> Array:
    """Months of validity: int64."""
    validity = ctx.params.instrument_taxonomy_6A.validity_mix
    months = np.array([row.months for row in validity], dtype=np.int64)
    return months[_picked(ctx, words, [row.parts for row in validity])]


def _picked(ctx: Context, words: Array, parts: list[int]) -> Array:
    weight = np.array(parts, dtype=np.uint64)
    table = build_alias(ctx, np.array([0, len(weight)], dtype=np.uint64), weight)
    picked: Array = table.pick(ctx, words, np.zeros(len(words), dtype=np.int64))
    return picked


def _first_issue(ctx: Context, carried: Carried, months: Array, horizon: tuple[int, int]) -> Array:
    """Day of issue of the card valid when the horizon begins, before it is moved off a weekend: int64.

    Ages of cards that have been renewed are uniform: below the reissue window they are the newest cards,
    inside it old ones whose successor has been issued. An account younger than a card's validity has its
    first one.
    """
    law, (first_day, last) = ctx.params.card_life_6A, horizon
    # A card lives until the end of its last month, half a month longer than its validity on average.
    full = months * _MONTH[0] // _MONTH[1] + _HALF_MONTH
    window = (law.reissue_days[0] + law.reissue_days[1]) // 2
    age = first_day - carried.opened
    young = age < full
    # An account that opens inside the horizon has its first card before both end.
    room = np.minimum(carried.closed, last + 1) - carried.opened
    later = np.minimum(np.where(carried.prompt, law.opening_days, age), room)
    bound = np.where(young, np.maximum(later, 1), full - window)
    place = below(ctx, carried.age, bound)
    issue: Array = np.where(young, carried.opened + place, first_day - window - place)
    # Months differ: what would have expired days before the horizon expires in it.
    over = last_valid_day(_expiry(issue, months)) < first_day
    return issue + np.where(over, _HALF_MONTH * 2 + 1, 0)


def _settled(ctx: Context, day: Array, country: Array, words: Array, ahead: Array, limit: Array) -> Array:
    """Days of issue, some of those on a weekend moved to a workday: int64.

    A reissue moves back. A first card and a replacement cannot come earlier, so they move `ahead`, unless
    that is after their `limit`.
    """
    week = Weekdays.by_country(ctx, ctx.params.card_life_6A.weekend_permille)
    shifted = (day + np.where(ahead, WEEK, 0)).astype(np.int32)
    settled = week.settle(ctx, shifted, country, words, shifted - np.int32(2 * WEEK))
    moved = (settled != shifted) & ~(ahead & (settled > limit))
    return np.where(moved, settled, day)


def _expiry(issue: Array, months: Array) -> Array:
    """First day of the month a card expires in: int32."""
    return first_day_of_month((month_of_day(issue.astype(np.int32)) + months).astype(np.int32))


def _one(
    ctx: Context,
    carried: Carried,
    at: Array,
    issue: Array,
    months: Array,
    x: tuple[Array, ...],
    horizon: tuple[int, int],
) -> tuple[Frame, Frame]:
    """One card of each instrument, and the issue of its successor (after all time where there is none)."""
    law, never = ctx.params.card_life_6A, np.int64(2**31 - 2)
    lag = np.array([row.days for row in law.activation_mix], dtype=np.int64)[
        _picked(ctx, x[LAG], [row.parts for row in law.activation_mix])
    ]
    instant = np.isin(carried.kind[at], [ctx.code("instrument_type", name) for name in law.instant])
    active = issue + np.where(instant, 0, lag)
    month = _expiry(issue, months)
    expires = last_valid_day(month)
    least, most = law.reissue_days
    reissue = expires - least - below(ctx, x[LEAD], most - least + 1)
    renewed = below(ctx, x[RENEWAL], WHOLE // 10) >= law.not_renewed_permille
    reissue = np.where(renewed, np.maximum(reissue, issue + 1), never)
    years = int(_DAYS_A_YEAR * 1000 / law.lost_a_year_permille) if law.lost_a_year_permille else 0
    lost = np.full(len(at), never)
    if years:
        lost = np.maximum(active, horizon[0]) + below(ctx, x[LOSS], years)
    first = lost < np.minimum(reissue, expires)
    wait = 1 + below(ctx, x[LEAD], law.replacement_days)
    successor = {
        "issue": np.where(first, lost + wait, reissue),
        "lost": first,
    }
    card = Frame(
        {
            "issue_date": issue.astype(np.int32),
            "activation_date": active.astype(np.int32),
            "expiry_month": month,
            "lost": lost,
            "ends": expires,
        }
    )
    return card, Frame(successor)


def _linked(ctx: Context, rows: Frame, carried: Carried, last: int) -> Frame:
    """Cards with the day and the reason of their end, which the next card of the instrument decides too."""
    rows = rows.take(np.lexsort((rows.card_no, rows["at"])))
    at, never = rows["at"], np.int64(2**31 - 2)
    follows = np.zeros(len(rows), dtype=np.bool_)
    follows[:-1] = at[1:] == at[:-1]
    replaced = np.full(len(rows), never)
    replaced[:-1] = np.where(follows[:-1], rows.activation_date[1:].astype(np.int64), never)
    account = np.where(carried.closed[at] > rows.issue_date, carried.closed[at], never)
    # Of two ends on one day the first of these is told.
    days = np.stack([account, rows.lost, replaced, rows.ends + 1])
    reasons = [ctx.code("card_status", name) for name in ("CLOSED", "LOST", "REPLACED", "EXPIRED")]
    which = np.argmin(days, axis=0)
    closed = days[which, np.arange(len(rows))]
    over = closed <= last
    active = rows.activation_date <= last
    alive = np.where(active, ctx.code("card_status", "ACTIVE"), ctx.code("card_status", "ISSUED"))
    status = np.where(over, np.array(reasons)[which], alive).astype(np.int16)
    never_active = rows.activation_date >= closed
    names = ("at", "card_no", "number_no", "issue_date", "activation_date", "expiry_month")
    columns = {name: rows[name] for name in names}
    columns["closed_date"] = np.where(over, closed, 0).astype(np.int32)
    return Frame(
        {**columns, "status": status}, {"activation_date": active & ~never_active, "closed_date": over}
    )

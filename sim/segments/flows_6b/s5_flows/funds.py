"""The money of accounts: what comes in and goes out beside the cards, how far below nought, and limits.

People spend what they earn, so what an account gets follows from what its cards ask of it, or from a floor
that its holder's income sets; how much more than that is drawn, and who has little over has little put by as
well. What is missing at the end of a month is then missing from a balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.groups import prefix, run_of_row
from sim.recipes.horizon import Horizon
from sim.recipes.months import first_day_of_month, month_of_day
from sim.recipes.terms import by_term, entry, require_terms
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words_at
from sim.segments.flows_6b.money import POWERS
from sim.segments.flows_6b.s5_flows.rows import People
from sim.segments.flows_6b.s8_exchange.law import CURRENCIES_NEEDS, currencies
from sim.state.addressed import Address
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

FUNDS = "6B.account_funds"
LAW = "funds_law_6B"
MONTH_DAYS = 30
_MOST = 1 << 49
_WHOLE = 1000
_HALF = np.uint64(32)
CREDIT_ACCOUNTS = ("RETAIL_CREDIT_CARD_STANDARD", "RETAIL_CREDIT_CARD_PREMIUM", "BUSINESS_CREDIT_CARD")

FUND_TABLES_NEEDS = Needs(config=(LAW,), uses=(CURRENCIES_NEEDS,))
FUNDS_NEEDS = Needs(config=(LAW,), streams=(FUNDS,), uses=(BELOW_NEEDS, WORDS_NEEDS))
REQUIRE_FUNDS_NEEDS = Needs(config=(LAW,))


@dataclass(frozen=True, slots=True)
class FundTables:
    """What the funds of all ranges are made of.

    Attributes:
        horizon: The scenario's.
        floor: int64, currencies x incomes and one: least that a month brings, minor units; the last row is
            that of who is no person.
        day_most: int64, currencies: most that a card pays in a day, minor units, before what its holder
            usually spends.
        cash_most: int64, currencies: most cash in a day.
        credit: bool, account types: whether the bank lends what it pays.
    """

    horizon: Horizon
    floor: Array
    day_most: Array
    cash_most: Array
    credit: Array


@dataclass(frozen=True, slots=True)
class Funds:
    """Money of a range's accounts: arguments of kernel `authorise_rows` by name, but for instruments' limits.

    Attributes:
        month: int64, a: what the cards ask of the account in a month, or its floor; minor units.
        opening: int64, a: balance on the morning of the first day.
        credit: int64, a: how far below nought it may go.
        move_first: uint64, a + 1.
        move_day: uint32, v: days since 1970.
        move: int64, v.
        statement: uint8, v.
    """

    month: Array
    opening: Array
    credit: Array
    move_first: Array
    move_day: Array
    move: Array
    statement: Array


def require_funds(ctx: Context) -> None:
    """Refuse incomes that do not exist, and days of a month that end before they begin.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`, `6B.S5.FUNDS_INVALID`.
    """
    law = ctx.params.funds_law_6B
    require_terms(
        ctx, law.floor_usd.incomes, ctx.vocabulary("income_band"), f"{LAW}.floor_usd.incomes", "income_band"
    )
    faults = [
        Fault(f"{LAW}.{key}", f"{law[key][0]} is after {law[key][1]}")
        for key in ("pay_days", "bill_days")
        if law[key][0] > law[key][1]
    ]
    if law.credit.part[0] > law.credit.part[1]:
        faults.append(Fault(f"{LAW}.credit.part", "the least is more than the most"))
    for name, table in (("left", law.left), ("put_by", law.put_by), ("credit.limit", law.credit.limit)):
        if list(table) != sorted(table):
            faults.append(Fault(f"{LAW}.{name}", "quantiles fall"))
    refuse_any(ctx, "FUNDS_INVALID", "Funds contradict themselves.", faults, do="correct them")


def fund_tables(ctx: Context, horizon: Horizon) -> FundTables:
    """Floors and limits by currency, made once a process."""
    law, known = ctx.params.funds_law_6B, currencies(ctx)
    # Minor units that a US dollar costs on the day of the levels.
    dollar = known.per_usd * POWERS[known.minor_units].astype(np.float64)
    incomes = by_term(ctx, "income_band", law.floor_usd.incomes, f"{LAW}.floor_usd.incomes")
    floors = np.array([float(each) for each in (*incomes, law.floor_usd.others)])
    names = ctx.vocabulary("account_type")
    return FundTables(
        horizon,
        np.floor(dollar[:, None] * floors[None, :]).astype(np.int64) + 1,
        np.floor(dollar * float(law.limits.day_usd)).astype(np.int64) + 1,
        np.floor(dollar * float(law.limits.cash_usd)).astype(np.int64) + 1,
        np.array([name in CREDIT_ACCOUNTS for name in names]),
    )


def account_place(ctx: Context, people: People) -> Address:
    """Where accounts draw: place among the owner's accounts that cards pay from, and the owner."""
    first = people.accounts.first
    of = run_of_row(first)
    number = np.arange(len(of), dtype=np.uint64) - first[:-1][of]
    return ctx.address(FUNDS, payer_account=number, party=people.word[of])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the payments of a range ask of its accounts: n rows.

    Attributes:
        account: uint32, n: place in `Accounts`.
        day: int64, n: days since 1970.
        billing: int64, n: minor units.
    """

    account: Array
    day: Array
    billing: Array


def funds_of(ctx: Context, tables: FundTables, people: People, asked: Asked) -> Funds:
    """Money of the accounts of a range; nothing is entered in the ledger.

    Args:
        ctx: Context.
        tables: From `fund_tables`.
        people: The range's people.
        asked: What payments ask of them.
    """
    law, held, days = ctx.params.funds_law_6B, people.accounts, tables.horizon.days
    of = run_of_row(held.first)
    accounts = len(held.account_no)
    means, when, chance, spare = words_at(ctx, account_place(ctx, people))
    income = people.income[of].astype(np.int64)
    floor = tables.floor[held.currency, np.where(income < 0, tables.floor.shape[1] - 1, income)]
    total = np.zeros(accounts, dtype=np.int64)
    np.add.at(total, asked.account, asked.billing)
    month = np.minimum(np.maximum(total * MONTH_DAYS // days, floor), _MOST >> 8)
    lends = tables.credit[held.account_type]
    comes = month * _quantile(means, law.left) // _WHOLE
    put_by = month * _quantile(means, law.put_by) // _WHOLE
    pay = _day_of(ctx, when, law.pay_days)
    whole = (chance >> _HALF) % np.uint64(_WHOLE) < np.uint64(int(law.credit.whole))
    part = int(law.credit.part[0]) + below(
        ctx, spare << _HALF, int(law.credit.part[1]) - int(law.credit.part[0]) + 1
    )
    # What is left of the last pay on the first day: as much of it as of the days until the next.
    first_day = np.array([tables.horizon.first_day], dtype=np.int64)
    until = (pay - _day_in_month(first_day)) % MONTH_DAYS
    rest = comes * until // MONTH_DAYS
    bills = comes * int(law.bills) // (_WHOLE - int(law.bills))
    pays = _pays(tables.horizon, asked, pay, comes, rest)
    moves = _moves(
        tables.horizon,
        (~lends, pay, pays + bills[:, None], 0),
        (~lends, _day_of(ctx, spare, law.bill_days), np.broadcast_to(-bills[:, None], pays.shape), 0),
        (lends, pay, np.broadcast_to(np.where(whole, _WHOLE, part)[:, None], pays.shape), 1),
    )
    overdraft = np.where(
        chance % np.uint64(_WHOLE) < np.uint64(int(law.overdraft.share)),
        month * int(law.overdraft.of_month) // _WHOLE,
        0,
    )
    limit = month * _quantile(means, law.credit.limit) // _WHOLE
    owed = np.where(whole, 0, limit * int(law.credit.used) // _WHOLE)
    return Funds(month, np.where(lends, -owed, put_by + rest), np.where(lends, limit, overdraft), *moves)


def _pays(horizon: Horizon, asked: Asked, pay: Array, comes: Array, rest: Array) -> Array:
    """What each pay leaves on the account, by account and month of the horizon: int64, a x months.

    What is left of one pay when the next comes is put aside, out of reach of cards; what was asked beyond is
    made good from the next. So an account begins each month with what it had put by and its pay, less what it
    was behind.

    Args:
        horizon: The scenario's.
        asked: What payments ask, answered or not.
        pay: int64, a: day of the month.
        comes: int64, a: a month's pay.
        rest: int64, a: what is left of the last pay on the first day.
    """
    months = _months(horizon)
    first_day = np.array([horizon.first_day], dtype=np.int64)
    # Pays on or before a day, since the first of the horizon; one of the first month may be over by then.
    over = _day_in_month(first_day) > pay
    since = month_of_day(asked.day.astype(np.int32)).astype(np.int64) - int(months[0])
    period = since + (_day_in_month(asked.day) >= pay[asked.account]) - over[asked.account]
    spent = np.zeros((len(pay), len(months) + 1), dtype=np.int64)
    np.add.at(spent, (asked.account, period), asked.billing)
    found = np.zeros((len(pay), len(months)), dtype=np.int64)
    had, behind = rest, np.zeros_like(rest)
    rows = np.arange(len(pay))
    for number in range(len(months)):
        left = had - behind - spent[:, number]
        behind = np.maximum(-left, 0)
        # The number-th pay of the horizon is in that month of it, or in the next where the first is over.
        month = number + over
        inside = month < len(months)
        found[rows[inside], month[inside]] = (comes - np.maximum(left, 0))[inside]
        had = comes
    return found


def _months(horizon: Horizon) -> Array:
    """Calendar months that the horizon meets: int32, months since 1970-01."""
    ends = np.array([horizon.first_day, horizon.first_day + horizon.days - 1], dtype=np.int32)
    low, high = month_of_day(ends).tolist()
    return np.arange(low, high + 1, dtype=np.int32)


def _quantile(word: Array, table: Any) -> Array:
    """Values of a table of quantiles, one a sixteenth, at uniform words; in between by parts: int64."""
    values = np.array([int(each) for each in table], dtype=np.int64)
    place = (word >> np.uint64(60)).astype(np.int64)
    part = ((word >> np.uint64(28)) & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    found: Array = values[place] + ((values[place + 1] - values[place]) * part >> 32)
    return found


def _day_of(ctx: Context, word: Array, span: Any) -> Array:
    """Days of a month from the first to the last: int64."""
    return int(span[0]) + below(ctx, word, int(span[1]) - int(span[0]) + 1)


def _day_in_month(day: Array) -> Array:
    """Days of the month, from 1, of days since 1970 (int64)."""
    days = day.astype(np.int32)
    found: Array = day - first_day_of_month(month_of_day(days)).astype(np.int64) + 1
    return found


def _moves(horizon: Horizon, *kinds: tuple[Array, Array, Array, int]) -> tuple[Array, Array, Array, Array]:
    """Movements by account and day: `move_first`, `move_day`, `move`, `statement` of `Funds`.

    Args:
        horizon: The scenario's; what falls out of it is left out.
        kinds: Accounts that have them (bool, a), day of the month (int64, a), amounts by month (int64, a x
            months), and whether they are statements.
    """
    first, stop = horizon.first_day, horizon.first_day + horizon.days
    begins = first_day_of_month(_months(horizon)).astype(np.int64)
    pieces = []
    for have, day, amounts, statement in kinds:
        who = np.flatnonzero(have)
        when = begins[None, :] + day[who][:, None] - 1
        account, month = np.nonzero((when >= first) & (when < stop))
        pieces.append(
            (
                who[account],
                when[account, month],
                amounts[who[account], month],
                np.full(len(account), statement),
            )
        )
    of, when, amount, kind = (np.concatenate(each) for each in zip(*pieces, strict=True))
    order = np.lexsort((when, of))
    accounts = len(kinds[0][0])
    return (
        prefix(np.bincount(of, minlength=accounts).astype(np.uint64)),
        when[order].astype(np.uint32),
        amount[order].astype(np.int64),
        kind[order].astype(np.uint8),
    )


def limits_of(ctx: Context, tables: FundTables, people: People, month: Array) -> dict[str, Array]:
    """Limits of the range's instruments: arguments of `authorise_rows`.

    A card pays in a day what the bank's rule says, or a share of what its account usually spends in a month,
    whichever is more.

    Args:
        ctx: Context.
        tables: From `fund_tables`.
        people: The range's people.
        month: int64, a: `Funds.month`.
    """
    law = ctx.params.funds_law_6B.limits
    account = people.instruments.account
    currency = people.accounts.currency[account]
    usual = month[account] * int(law.of_month) // _WHOLE
    countries = ctx.vocabulary("country")
    taps = np.array([int(entry(law.taps.countries, name, law.taps.default)) for name in countries], np.uint8)
    home = people.country[run_of_row(people.instruments.first)]
    return {
        "day_most": np.maximum(tables.day_most[currency], usual),
        "cash_most": np.maximum(tables.cash_most[currency], usual // 4),
        "taps_most": taps[home],
    }

"""Pass 4: what the issuer answers to each payment of a range, and with which card it was paid in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.horizon import DAY_S, MICRO, Horizon
from sim.segments.flows_6b.s5_flows.cards import CASH, PRESENT, card_weights, way_of
from sim.segments.flows_6b.s5_flows.funds import (
    FUND_TABLES_NEEDS,
    FUNDS,
    FUNDS_NEEDS,
    REQUIRE_FUNDS_NEEDS,
    Asked,
    Funds,
    FundTables,
    account_place,
    fund_tables,
    funds_of,
    limits_of,
    require_funds,
)
from sim.segments.flows_6b.s5_flows.prices import Prices
from sim.segments.flows_6b.s5_flows.rows import CardChoice, People, Rows
from sim.segments.flows_6b.s5_flows.trouble import (
    ANSWER,
    OUTAGE,
    POLICY,
    REQUIRE_TROUBLE_NEEDS,
    TROUBLE_NEEDS,
    Trouble,
    answer_place,
    bank_hours,
    require_trouble,
    troubles,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

_DAY_US, _HOUR_US = DAY_S * MICRO, 3_600_000_000
_CASH, _TAP, _PIN, _CONFIRMS = 1, 2, 4, 8
_FROZEN, _EXPIRED = 1, 8

ISSUER_TABLES_NEEDS = Needs(uses=(FUND_TABLES_NEEDS,))
ISSUER_NEEDS = Needs(
    config=(POLICY,),
    kernels=("authorise_rows",),
    uses=(FUNDS_NEEDS, TROUBLE_NEEDS),
)
REQUIRE_ISSUER_NEEDS = Needs(uses=(REQUIRE_FUNDS_NEEDS, REQUIRE_TROUBLE_NEEDS))

IssuerTables = FundTables
"""What answers of all ranges of a scenario are made of."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What pass 4 (`authorise_rows`) says of each row: n rows."""

    response: Array
    """int16, n: code of vocabulary response, of the last try."""
    first_response: Array
    """int16, n: of the first."""
    attempts: Array
    """uint8, n: tries, from 1."""
    instrument: Array
    """uint32, n: place in `Instruments` of the last try's."""
    step_up: Array
    """int16, n: code of vocabulary step_up."""
    answered_us: Array
    """int64, n: instant of the last answer, after that of the row."""
    approved: Array
    """uint8, n: 1 where the last try was."""
    room: Array
    """int64, n: what the account of the last try had for it, in its currency's minor units."""


def require_issuer(ctx: Context) -> None:
    """Refuse laws of money and answers that contradict themselves; see their own."""
    require_funds(ctx)
    require_trouble(ctx)


def issuer_tables(ctx: Context, horizon: Horizon) -> IssuerTables:
    """Tables of a scenario."""
    return fund_tables(ctx, horizon)


def answers(
    ctx: PartitionContext,
    scenario: str | None,
    tables: IssuerTables,
    rows: Rows,
    people: People,
    cards: CardChoice,
    prices: Prices,
) -> Answers:
    """Answers to the rows of a range, entered in the ledger."""
    money = funds_of(ctx, tables, people, asked_of(rows, people, cards, prices))
    met = troubles(ctx, tables.horizon, rows, people, cards, prices)
    given = answer_arguments(ctx, tables, rows, people, cards, prices, money, met)
    found = answered(ctx, given, rows, met)
    if ctx.lists_events:
        ctx.ledger(answer_place(ctx, rows), scenario=scenario)
        ctx.ledger(account_place(ctx, people), scenario=scenario)
        ctx.ledger(bank_hours(ctx, tables.horizon, people)[1], scenario=scenario)
    else:
        many, accounts = len(rows.ts_us), len(people.accounts.account_no)
        hours = len(np.unique(people.instruments.bank)) * tables.horizon.days * 24
        ctx.ledger_sums(ANSWER, (many, 9 * many, 5 * many), most=9, scenario=scenario)
        ctx.ledger_sums(FUNDS, (accounts, 4 * accounts, 2 * accounts), most=4, scenario=scenario)
        ctx.ledger_sums(OUTAGE, (hours, hours, hours), most=1, scenario=scenario)
    return found


def asked_of(rows: Rows, people: People, cards: CardChoice, prices: Prices) -> Asked:
    """What the rows ask of the accounts of their first try."""
    return Asked(people.instruments.account[cards.instrument], rows.ts_us // _DAY_US, prices.billing)


def answer_arguments(
    ctx: Context,
    tables: IssuerTables,
    rows: Rows,
    people: People,
    cards: CardChoice,
    prices: Prices,
    money: Funds,
    met: Trouble,
) -> dict[str, Any]:
    """Arguments of `authorise_rows`."""
    law = ctx.params.issuer_policy_6B
    chip, tap = (ctx.code("entry_mode", name) for name in ("CHIP", "CONTACTLESS"))
    way = np.zeros(len(rows.ts_us), dtype=np.uint8)
    way[cards.channel == ctx.code("payment_channel", "CASH")] |= np.uint8(_CASH)
    way[cards.entry_mode == tap] |= np.uint8(_TAP)
    way[cards.entry_mode == chip] |= np.uint8(_PIN)
    way[met.confirms] |= np.uint8(_CONFIRMS)
    return {
        "row_first": rows.row_first,
        "card_first": people.instruments.first,
        "account_first": people.accounts.first,
        "move_first": money.move_first,
        "move_day": money.move_day,
        "move": money.move,
        "statement": money.statement,
        "opening": money.opening,
        "credit": money.credit,
        "account": people.instruments.account,
        **limits_of(ctx, tables, people, money.month),
        "ts_us": rows.ts_us,
        "day": (rows.ts_us // _DAY_US).astype(np.uint32),
        "amount": prices.billing,
        "card": cards.instrument,
        "other": other_card(ctx, rows, people, cards, met),
        "fault": _fault(ctx, cards.faults),
        "trouble": met.answers,
        "tries": met.tries,
        "with_other": met.with_other,
        "way": way,
        "hold_us": int(law.hold_hours) * _HOUR_US,
        "block_us": int(law.pin_hold_hours) * _HOUR_US,
    }


def _fault(ctx: Context, faults: Array) -> Array:
    """Answer to a card that cannot pay there on that day: uint8 code of vocabulary response, 0 for none."""
    expired, frozen, refused = (
        np.uint8(ctx.code("response", name)) for name in ("EXPIRED_CARD", "RESTRICTED_CARD", "NOT_PERMITTED")
    )
    found = np.where(faults != 0, refused, np.uint8(0))
    found = np.where(faults & _FROZEN != 0, frozen, found)
    return np.where(faults & _EXPIRED != 0, expired, found).astype(np.uint8)


def other_card(
    ctx: Context,
    rows: Rows,
    people: People,
    cards: CardChoice,
    met: Trouble,
) -> Array:
    """Instrument that a payment falls back on: uint32, n; the one it has where there is no other.

    It is the party's first other one that could have paid there on that day, from an account in the same
    currency: what is billed does not change with it.
    """
    found = cards.instrument.copy()
    some = np.flatnonzero((met.tries > 0) & (met.with_other != 0))
    held, party = people.instruments, rows.party[some]
    way, day = way_of(ctx, rows)[some], rows.ts_us[some] // _DAY_US
    abroad = rows.country[some] != people.country[party]
    currency = people.accounts.currency[held.account]
    first, stop = held.first[party].astype(np.int64), held.first[party + np.uint32(1)].astype(np.int64)
    own = cards.instrument[some]
    todo = np.ones(len(some), dtype=np.bool_)
    for step in range(int((stop - first).max(initial=0))):
        at = np.minimum(first + step, np.maximum(stop - 1, 0))
        fits = todo & (first + step < stop) & (at != own) & (currency[at] == currency[own])
        fits &= can_pay(ctx, people, at, way, abroad, day)
        found[some[fits]] = at[fits].astype(np.uint32)
        todo &= ~fits
    return found


def can_pay(ctx: Context, people: People, at: Array, way: Array, abroad: Array, day: Array) -> Array:
    """Whether instruments could pay so on a day: bool, n. From a wallet none does that is not physical.

    Args:
        ctx: Context.
        people: The range's people.
        at: int64, n: places of instruments.
        way: uint8, n: ways of sale.
        abroad: bool, n.
        day: int64, n: days since 1970.
    """
    flags = people.instruments.flags[at]
    weight = card_weights(ctx)
    fits = weight[way.astype(np.int64) * 4 + (flags & 3)] > 0
    fits &= ((flags & 1) != 0) | ((way != PRESENT) & (way != CASH))
    fits &= ((flags & 4) == 0) | ~abroad
    fits &= day < people.accounts.frozen_day[people.instruments.account[at]]
    return fits & has_card(people, at, day)


def has_card(people: People, at: Array, day: Array) -> Array:
    """Whether instruments have a card that is valid on a day: bool, n."""
    cards = people.cards
    first, stop = cards.first[at].astype(np.int64), cards.first[at + 1].astype(np.int64)
    valid = np.zeros(len(at), dtype=np.bool_)
    for step in range(int((stop - first).max(initial=0))):
        one = np.minimum(first + step, len(cards.card_no) - 1)
        valid |= (first + step < stop) & (cards.first_day[one] <= day) & (day <= cards.last_day[one])
    return valid


def answered(ctx: Context, given: dict[str, Any], rows: Rows, met: Trouble) -> Answers:
    """What the kernel says, with instants."""
    answer, said, attempts, paid_by, room, *_ = ctx.kernels.authorise_rows(**given)
    later = met.latency_us + (attempts.astype(np.int64) - 1) * met.gap_us
    return Answers(
        response=answer.astype(np.int16),
        first_response=(said & np.uint32(0xFF)).astype(np.int16),
        attempts=attempts,
        instrument=paid_by,
        step_up=met.step_up,
        answered_us=rows.ts_us + later,
        approved=(answer == 0).astype(np.uint8),
        room=room,
    )

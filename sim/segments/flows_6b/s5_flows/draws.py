"""How payments find their draws, and why they are what they are."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, NORMAL, UNIFORM, Drawn, Explained, Find, MadeOf, Told, Word, at
from sim.segments.flows_6b.s5_flows.cards import (
    CARD,
    CHANNELS,
    ECOMMERCE,
    KINDS,
    PRESENT,
    USUAL,
    card_arguments,
    pair_of,
    way_of,
)
from sim.segments.flows_6b.s5_flows.devices import DEVICE
from sim.segments.flows_6b.s5_flows.devices import USUAL as USUAL_DEVICE
from sim.segments.flows_6b.s5_flows.funds import FUNDS
from sim.segments.flows_6b.s5_flows.prices import AMOUNT, PAIR, TIP, shop_of, tips_drawn
from sim.segments.flows_6b.s5_flows.rows import People, Rows
from sim.segments.flows_6b.s5_flows.settlement import SETTLE
from sim.segments.flows_6b.s5_flows.state import FLOWS, ORIGIN, SESSIONS, Tables, tables, walked
from sim.segments.flows_6b.s5_flows.trouble import ANSWER, OUTAGE
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_ARRIVALS = "arrival_entities_6B"
DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000


def _walked(ctx: Context, part: Partition, rows: Frame) -> tuple[Tables, Rows, People, Array]:
    """The range that rows came from, and their places in its walk: int64."""
    known = ctx.shared(f"tables {part.scenario}", lambda: tables(ctx, part.scenario))
    walk, people = walked(ctx, part, known)
    by_id = np.argsort(walk.flow_id, kind="stable")
    return known, walk, people, by_id[np.searchsorted(walk.flow_id[by_id], rows.flow_id)]


def _event(walk: Rows, places: Array) -> dict[str, Array]:
    return {"event_us": walk.ts_us[places].astype(np.uint64), "place": walk.place_id[places]}


def _every(ctx: Context, part: Partition, rows: Frame) -> Frame:
    _, walk, _, places = _walked(ctx, part, rows)
    return at(rows, np.arange(len(rows)), **_event(walk, places))


def _sold(way: int) -> Find:
    """Payments of a way of sale."""

    def find(ctx: Context, part: Partition, rows: Frame) -> Frame:
        _, walk, _, places = _walked(ctx, part, rows)
        some = np.flatnonzero(way_of(ctx, walk)[places] == way)
        return at(rows, some, **_event(walk, places[some]))

    return find


def _tipped(ctx: Context, part: Partition, rows: Frame) -> Frame:
    known, walk, _, places = _walked(ctx, part, rows)
    shop = shop_of(known.prices, walk)
    some = np.flatnonzero(np.isin(places, tips_drawn(ctx, known.prices, walk, shop)))
    return at(rows, some, **_event(walk, places[some]))


def _approved(ctx: Context, part: Partition, rows: Frame) -> Frame:
    _, walk, _, places = _walked(ctx, part, rows)
    some = np.flatnonzero(rows.response == ctx.code("response", "APPROVED"))
    return at(rows, some, **_event(walk, places[some]))


def _pairs(ctx: Context, part: Partition, rows: Frame) -> Frame:
    known, walk, people, places = _walked(ctx, part, rows)
    fields = {name: values[places] for name, values in pair_of(walk, known.merchants, people).items()}
    return at(rows, np.arange(len(rows)), **fields)


def _parties(ctx: Context, part: Partition, rows: Frame) -> Frame:
    _, walk, people, places = _walked(ctx, part, rows)
    return at(rows, np.arange(len(rows)), party=people.word[walk.party[places]])


def _accounts(ctx: Context, part: Partition, rows: Frame) -> Frame:
    _, walk, people, places = _walked(ctx, part, rows)
    by_id = np.argsort(people.accounts.account_no, kind="stable")
    account = by_id[np.searchsorted(people.accounts.account_no[by_id], rows.account_id)]
    party = walk.party[places]
    number = account.astype(np.uint64) - people.accounts.first[party]
    return at(rows, np.arange(len(rows)), payer_account=number, party=people.word[party])


def _bank_hours(ctx: Context, part: Partition, rows: Frame) -> Frame:
    _, walk, people, places = _walked(ctx, part, rows)
    by_id = np.argsort(people.instruments.instrument_no, kind="stable")
    card = by_id[np.searchsorted(people.instruments.instrument_no[by_id], rows.instrument_id)]
    hour = (walk.ts_us[places] // HOUR_US).astype(np.uint64)
    return at(rows, np.arange(len(rows)), utc_hour=hour, bank=people.instruments.bank[card])


def _why(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """The cards the payer holds, and the shop's prices."""
    known, walk, people, places = _walked(ctx, part, rows)
    row = int(places[0])
    return [*_cards(ctx, known, walk, people, row), _price(ctx, known, walk, people, row)]


def _cards(ctx: Context, known: Tables, walk: Rows, people: People, row: int) -> list[str]:
    given = card_arguments(ctx, walk, known.merchants, known.sites, people)
    way, day = int(given["channel"][row]), int(walk.ts_us[row]) // DAY_US
    party, cards = int(walk.party[row]), people.cards
    first, stop = people.instruments.first[party : party + 2].tolist()
    shown = ctx.published("instrument", people.instruments.instrument_no[first:stop])
    told = []
    for place, name in zip(range(first, stop), shown.tolist(), strict=True):
        held = range(int(cards.first[place]), int(cards.first[place + 1]))
        valid = any(cards.first_day[one] <= day <= cards.last_day[one] for one in held)
        kind = int(people.instruments.flags[place]) & 3
        weight = int(given["weight"][4 * way + kind])
        state = "valid on the day" if valid else "not valid on the day"
        told.append(f"instrument {name}, {KINDS[kind].replace('_', ' ')}, {state}: weight {weight}")
    return [f"cards of the payer for {CHANNELS[way]}: " + "; ".join(told)]


def _price(ctx: Context, known: Tables, walk: Rows, people: People, row: int) -> str:
    shop = shop_of(known.prices, walk)[row]
    columns = known.prices.columns
    median = int(ctx.kernels.exp_map(x=columns["log_median"][shop : shop + 1])[0] + 0.5)
    level = float(people.spend_level[walk.party[row]])
    spread = float(columns["sigma"][shop])
    return (
        f"an ordinary payment here is {median} minor units, their logarithm spread by {spread:.2f}; "
        f"the payer's level of prices is {level:.2f}"
    )


_WORDS = (
    "day of the clearing", "what becomes of it", "share of a part, or time of a reversal",
    "time in the batch", "whether it is refunded", "days until then", "whether wholly", "how much else",
)  # fmt: skip

_ANSWER_WORDS = (
    "step_up: whether the payer is asked who it is", "attempts: tries after a decline",
    "response: whether an answer is lost in a bad hour", "response: suspicion, and answers without a reason",
    "response: wrong PIN or details", "whether the holder confirms; cards of further tries",
    "answered_utc: time to an answer", "answered_utc: rest between tries",
    "response: how questions are answered",
)  # fmt: skip

EXPLAINED = Explained(
    (
        Drawn(
            FLOWS,
            CARD,
            (
                Word(0, UNIFORM, "whether the card that the payer usually takes there pays"),
                Word(1, CHOICE, "which card else", "instrument_id"),
            ),
            _every,
        ),
        Drawn(
            FLOWS,
            CARD,
            (
                Word(2, UNIFORM, "whether a wallet pays that holds the card", "entry_mode"),
                Word(3, UNIFORM, "else by stripe, touch or chip", "entry_mode"),
            ),
            _sold(PRESENT),
        ),
        Drawn(FLOWS, USUAL, (Word(0, CHOICE, "card that the payer usually takes there"),), _pairs),
        Drawn(
            FLOWS,
            DEVICE,
            (
                Word(0, UNIFORM, "whether the payer's usual device buys, or that of the payment before"),
                Word(1, CHOICE, "which device else", "device_id"),
                Word(2, CHOICE, "its address", "ip_id"),
            ),
            _sold(ECOMMERCE),
        ),
        Drawn(FLOWS, USUAL_DEVICE, (Word(0, CHOICE, "device that the payer usually buys with"),), _parties),
        Drawn(
            FLOWS,
            AMOUNT,
            (
                Word(0, NORMAL, "amount_minor: chance of the day"),
                Word(1, UNIFORM, "amount_minor: how it ends"),
            ),
            _every,
        ),
        Drawn(
            FLOWS,
            PAIR,
            (
                Word(0, NORMAL, "amount_minor: what the payer usually pays there"),
                Word(1, UNIFORM, "amount_minor: how the same amount ends each time"),
            ),
            _pairs,
        ),
        Drawn(
            FLOWS,
            TIP,
            (Word(0, UNIFORM, "whether a tip is given"), Word(1, UNIFORM, "how much")),
            _tipped,
        ),
        Drawn(
            FLOWS,
            ANSWER,
            tuple(Word(draw, UNIFORM, decides) for draw, decides in enumerate(_ANSWER_WORDS)),
            _every,
        ),
        Drawn(
            FLOWS,
            FUNDS,
            (
                Word(0, UNIFORM, "how much the account is left with, and has put by"),
                Word(1, CHOICE, "day of pay"),
                Word(2, UNIFORM, "whether it may go below nought, and whether debts are paid wholly"),
                Word(3, CHOICE, "day of bills, or part of a debt that is paid"),
            ),
            _accounts,
        ),
        Drawn(FLOWS, OUTAGE, (Word(0, UNIFORM, "whether its bank answers badly in that hour"),), _bank_hours),
        Drawn(
            FLOWS,
            SETTLE,
            tuple(Word(draw, UNIFORM, decides) for draw, decides in enumerate(_WORDS)),
            _approved,
        ),
    ),
    (
        MadeOf(FLOWS, ORIGIN, "its arrival", {"flow_id": "flow_id"}),
        MadeOf(
            ORIGIN, _ARRIVALS, "its arrival", {"merchant_id": "merchant_id", "arrival_seq": "arrival_seq"}
        ),
        MadeOf(SESSIONS, FLOWS, "its first payment", {"flow_id": "session_id"}),
    ),
    (Told(FLOWS, _why),),
)
"""How rows of 6B.S5 are explained."""

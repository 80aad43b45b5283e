"""Between which days a party always holds a valid card.

A card is valid from its activation to the day before it is closed, or to the end of the month it expires in.
Days of all physical cards of a party are united; where they leave a gap inside the horizon, the longer part
counts, so that nobody ever pays on a day without a card.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import life_span
from sim.recipes.months import last_valid_day
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

CARDS, INSTRUMENTS = "s3_card_base_6A", "s3_instrument_base_6A"
PHYSICAL = (
    "RETAIL_DEBIT_CARD_PHYSICAL",
    "RETAIL_CREDIT_CARD_PHYSICAL",
    "BUSINESS_DEBIT_CARD_PHYSICAL",
    "BUSINESS_CREDIT_CARD_PHYSICAL",
)
"""Instruments that pay everywhere: in person, at machines, online."""

HOLDING_NEEDS = Needs(
    reads={CARDS: ROW_LEVEL, INSTRUMENTS: ROW_LEVEL},
    config=("scenario_horizon_5A",),
)


def holding(ctx: Context, part: int, first: int, parties: int) -> Frame:
    """`can_pay_from`, `can_pay_to` (int32 days, with masks) of the parties of a file of 6A.

    Args:
        ctx: Context.
        part: File.
        first: Natural number of its first party.
        parties: How many it has.
    """
    cards = ctx.load(
        CARDS, part=part, columns=("instrument_id", "activation_date", "expiry_month", "closed_date")
    )
    owners = ctx.load(INSTRUMENTS, part=part, columns=("instrument_id", "owner_party_id", "instrument_type"))
    codes = np.array([ctx.code("instrument_type", name) for name in PHYSICAL])
    of = (cards.instrument_id - owners.instrument_id[:1]).astype(np.int64)
    real = np.isin(owners.instrument_type, codes)[of] & cards.present("activation_date")
    last = last_valid_day(cards.expiry_month)
    closed = cards.closed_date.astype(np.int64) - 1
    last = np.where(cards.present("closed_date"), np.minimum(last, closed), last)
    begin = cards.activation_date.astype(np.int64)
    at = np.flatnonzero(real & (last >= begin))
    owner = (owners.owner_party_id[of[at]] - np.uint64(first)).astype(np.int64)
    return _longest(ctx, owner, begin[at], last[at], parties)


def _longest(ctx: Context, owner: Array, begin: Array, last: Array, parties: int) -> Frame:
    """Of each party's united spans of days, that with most days of the horizon; the earlier of equals."""
    horizon = life_span(ctx.params.scenario_horizon_5A)
    low, high = horizon.first_day, horizon.first_day + horizon.days - 1
    order = np.lexsort((last, begin, owner))
    owner, begin, last = owner[order], begin[order], last[order]
    # Owners ascend, so the greatest end so far of the same owner is a running maximum of owner and day.
    reach = np.maximum.accumulate((owner << np.int64(32)) + last + np.int64(1 << 24))
    apart = np.ones(len(owner), dtype=np.bool_)
    apart[1:] = (owner[1:] << np.int64(32)) + begin[1:] + np.int64(1 << 24) > reach[:-1] + 1
    starts = np.flatnonzero(apart)
    ends = np.append(starts[1:], len(owner)) - 1 if len(starts) else starts
    who, start, stop = (
        owner[starts],
        begin[starts],
        (reach[ends] & np.int64(0xFFFFFFFF)) - np.int64(1 << 24),
    )
    inside = np.minimum(stop, high) - np.maximum(start, low) + 1
    some = np.flatnonzero(inside > 0)
    best = some[np.lexsort((start[some], -inside[some], who[some]))]
    best = best[run_starts(who[best])] if len(best) else best
    days = np.zeros((2, parties), dtype=np.int32)
    has = np.zeros(parties, dtype=np.bool_)
    days[0, who[best]], days[1, who[best]], has[who[best]] = start[best], stop[best], True
    return Frame(
        {"can_pay_from": days[0], "can_pay_to": days[1]}, {"can_pay_from": has, "can_pay_to": has.copy()}
    )

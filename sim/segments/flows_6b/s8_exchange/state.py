"""6B.S8: what a US dollar costs in each currency on each day.

A row of payments is converted by integers alone: units of the account's currency for units of the merchant's,
both over the dollar.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.horizon import span_of
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.flows_6b.s8_exchange.law import (
    CONFIG,
    DOLLAR,
    EXCHANGE_LAW_NEEDS,
    ONE,
    Currencies,
    currencies,
    moves,
    rates,
    require_rates,
    trading,
    walked_days,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STREAM = "6B.exchange_move"
_EXACT = 2
"""Rounding moves a rate of a pegged currency by at most so many of its last places."""


class Counts(Counters):
    """Rates, those off their peg, dollars that cost something else, and jumps beyond the law."""

    rows = Scalar()
    drawn = Scalar()
    off_peg = Scalar()
    odd_dollars = Scalar()
    jumps = Scalar()


STATE = State(
    id="6B.S8",
    title="Exchange rates",
    writes=("exchange_rates_6B",),
    streams=(STREAM,),
    kernels=("exp_map",),
    config=(CONFIG, "scenario_horizon_5A"),
    counts=(Counts,),
    uses=(EXCHANGE_LAW_NEEDS, WORDS_NEEDS),
)


def preflight(ctx: Context) -> None:
    """Refuse rates that contradict themselves."""
    require_rates(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """All rates: currencies x days of the span of all horizons."""
    known = currencies(ctx)
    first, stop = walked_days(ctx)
    days = np.arange(first, stop, dtype=np.int64)
    days = days[trading(days)]
    who = np.repeat(known.walkers, len(days))
    when = np.tile(days, len(known.walkers))
    names = ctx.name_hashes("currency")[who]
    drawn = word(ctx, STREAM, civil_day=when.astype(np.uint64), currency_name=names)
    step = np.zeros((len(known.per_usd), stop - first), dtype=np.int64)
    step[who, when - first] = moves(ctx, drawn, known.sigma[who])
    frame = rates(ctx, known, step, first)
    _count(ctx, known, frame)
    ctx.count(Counts.drawn, len(who))
    return {"exchange_rates_6B": frame}


def _count(ctx: PartitionContext, known: Currencies, frame: Frame) -> None:
    rate = frame.per_usd_e9.reshape(len(known.per_usd), -1)
    dollar = ctx.code("currency", DOLLAR)
    ctx.count(Counts.rows, len(frame))
    ctx.count(Counts.odd_dollars, int((rate[dollar] != ONE).sum()))
    ctx.count(Counts.off_peg, int(_off_peg(known, rate).sum()))
    # A day's largest ratio: the own move and that of the currency it follows, each cut, and rounding.
    own = known.sigma + np.where(known.follows == np.arange(len(rate)), 0.0, known.sigma[known.follows])
    most = ctx.kernels.exp_map(x=own * float(ctx.params.exchange_rates_config_6B.most_move))[:, None]
    before, after = rate[:, :-1].astype(np.float64), rate[:, 1:].astype(np.float64)
    far = (after - _EXACT > before * most) | (before - _EXACT > after * most)
    ctx.count(Counts.jumps, int(far.sum()))


def _off_peg(known: Currencies, rate: Array) -> Array:
    """Rates of currencies without moves of their own that differ from those of what they follow: bool."""
    fixed = np.flatnonzero(known.sigma == 0.0)
    leader = known.follows[fixed]
    share = (known.per_usd[fixed] / known.per_usd[leader])[:, None]
    found: Array = np.abs(rate[fixed] - rate[leader] * share) > _EXACT * np.maximum(share, 1.0)
    return found


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every currency on every day; the dollar is one; pegs hold; no move is beyond the law."""
    seen = Counts(totals)
    rows = len(ctx.vocabulary("currency")) * span_of(ctx.params.scenario_horizon_5A).days
    return [
        ledger_check(totals, STREAM, seen.drawn, 1),
        Check("every currency has a rate on every day", seen.rows == rows, seen.rows, rows),
        Check("a dollar costs a dollar", seen.odd_dollars == 0, seen.odd_dollars, 0, "over all days"),
        Check("pegs hold", seen.off_peg == 0, seen.off_peg, 0, "but for the last place of a rate"),
        Check("no move beyond the law", seen.jumps == 0, seen.jumps, 0, "over all currencies and days"),
    ]

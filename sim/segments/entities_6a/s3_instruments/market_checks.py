"""What a market decides of cards: networks, and who has a debit card. Counts and checks over all rows."""

from __future__ import annotations

import numpy as np

from sim.recipes.sampling import sampling_check
from sim.recipes.terms import WHOLE, entry
from sim.segments.entities_6a.payments import (
    FUNDINGS,
    PAYMENTS_NEEDS,
    Marks,
    holders_of,
    marks_of,
    permille_of,
)
from sim.segments.entities_6a.s3_instruments.cells import INSTRUMENT_CELLS_NEEDS, Instruments, instruments_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

MARKET_CHECKS_NEEDS = Needs(
    config=("instrument_mix_6A", "instrument_taxonomy_6A"), uses=(INSTRUMENT_CELLS_NEEDS, PAYMENTS_NEEDS)
)


class MarketCounts(Counters):
    """Cards as published, by country."""

    strange_marks = Scalar()
    by_market = Vector("instrument_type", "country")
    marks = Vector(len(FUNDINGS), "country", lambda ctx: len(marks_of(ctx).scheme))


def count_marks(ctx: PartitionContext, country: Array, cards: Frame) -> None:
    """Cards by funding, country and what they bear; those that bear what their country has no card of."""
    marks, schemes = marks_of(ctx), len(ctx.vocabulary("scheme"))
    place = np.full((schemes, schemes + 1), -1, dtype=np.int64)
    place[marks.scheme, marks.co_badge] = np.arange(len(marks.scheme))  # no co-badge: the last column
    other = np.where(cards.present("co_badge_scheme"), cards.co_badge_scheme, np.int16(schemes))
    mark, funding = place[cards.scheme, other], funding_of(ctx)[cards.instrument_type]
    known = mark >= 0
    known &= (marks.parts[funding, country, mark] > 0) & (
        marks.domestic[country, mark] == cards.domestic_only
    )
    ctx.count(MarketCounts.strange_marks, int((~known).sum()))
    key = (funding * len(ctx.vocabulary("country")) + country) * len(marks.scheme) + mark
    ctx.count(MarketCounts.marks, np.bincount(key[known], minlength=marks.parts.size))


def funding_of(ctx: Context) -> Array:
    """Place in `FUNDINGS` of each instrument type: int64, 0 for those that are no cards."""
    kinds = ctx.params.instrument_taxonomy_6A.instruments
    names = [kinds[name] for name in ctx.vocabulary("instrument_type")]
    return np.array([FUNDINGS.index(kind) if kind in FUNDINGS else 0 for kind in names], dtype=np.int64)


def market_checks(ctx: Context, totals: Totals, cells: Instruments, sigmas: float) -> list[Check]:
    """Networks of cards, and accounts with a debit card, of each country against the table.

    Args:
        ctx: Context.
        totals: Sums of `count_marks` and of `MarketCounts.by_market`.
        cells: Instruments as planned.
        sigmas: Standard deviations allowed to shares that are drawn.
    """
    seen, marks = MarketCounts(totals), marks_of(ctx)
    note = "cards with marks, or a reach, that national_payments_6A does not give their country"
    strange = seen.strange_marks
    result = [Check("cards bear what their country has", strange == 0, strange, 0, note)]
    for number, funding in enumerate(FUNDINGS):
        here = np.flatnonzero(seen.marks[number].sum(axis=1))
        here = here if len(here) else np.zeros(1, dtype=np.int64)  # a small world may have no such card
        labels = [f"{ctx.vocabulary('country')[at]} {mark}" for at in here for mark in mark_names(ctx, marks)]
        found, parts = seen.marks[number, here], marks.parts[number, here]
        result.append(pick_check(f"schemes of {funding}", labels, found, parts, sigmas))
    return [*result, *_holding_checks(ctx, seen.by_market, cells)]


def mark_names(ctx: Context, marks: Marks) -> list[str]:
    """What each kind of card bears, as a pack says it."""
    terms = ctx.vocabulary("scheme")
    pairs = zip(marks.scheme.tolist(), marks.co_badge.tolist(), strict=True)
    return [terms[one] if two < 0 else f"{terms[one]}+{terms[two]}" for one, two in pairs]


def _holding_checks(ctx: Context, found: Array, cells: Instruments) -> list[Check]:
    """Accounts with a card that the market decides, of each country against the table."""
    names, share, result = (
        ctx.vocabulary("country"),
        permille_of(ctx, "holding_permille", "debit"),
        [],
    )
    for account_type, rules in ctx.params.instrument_mix_6A.accounts.items():
        rows = np.flatnonzero(cells.summary.account_type == ctx.code("account_type", account_type))
        accounts = np.zeros(len(names), dtype=np.int64)
        np.add.at(accounts, cells.summary.country_iso[rows], cells.summary.accounts[rows].astype(np.int64))
        for code, name in instruments_of(ctx, account_type):
            if entry(rules[name], "by_market", False):
                wanted = holders_of(accounts, share)
                off = np.abs(found[code] - wanted)
                worst = int(np.argmax(off))
                place = {"country": names[worst]}
                result.append(
                    Check(
                        f"{name} on {account_type}",
                        bool((off == 0).all()),
                        {**place, "accounts": int(found[code][worst])},
                        {**place, "accounts": int(wanted[worst])},
                        "accounts with one, of every country as national_payments_6A says",
                    )
                )
    return result


def pick_check(name: str, labels: list[str], found: Array, prior: Array, sigmas: float) -> Check:
    """Check counts (int64, rows x terms) of independent picks against shares in ten-thousandths.

    The shares are uint64, rows x terms.
    """
    share = prior.astype(np.float64) / np.float64(WHOLE)
    expected = share * found.sum(axis=1)[:, None]
    variance = expected * (1.0 - share)
    return sampling_check(
        name, labels, found.ravel(), expected.ravel(), variance.ravel(), (sigmas, 1.0), "independent picks"
    )

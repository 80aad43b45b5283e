"""Checks of cards over all rows: one live card an instrument, successors, weekdays, BINs of the table."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.horizon import life_span
from sim.recipes.months import last_valid_day
from sim.recipes.terms import require_terms
from sim.recipes.weekdays import Weekdays
from sim.segments.entities_6a.payments import PAYMENTS_NEEDS
from sim.segments.entities_6a.s3_instruments.cards import CARD_LIFE_NEEDS, LIFE
from sim.segments.entities_6a.s3_instruments.issuers import (
    ISSUERS_NEEDS,
    MAIN,
    OTHER,
    bin_rows,
    issuer_rows,
)
from sim.segments.entities_6a.s3_instruments.market_checks import funding_of
from sim.segments.entities_6a.s3_instruments.rows import Holders
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Frame
from sim.state.refuse import Fault, refuse_any
from sim.state.totals import Totals

CARD_CHECKS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL},
    config=("card_life_6A", "issuers_6A", "realism_gates_6A", "scenario_horizon_5A"),
    uses=(CARD_LIFE_NEEDS, ISSUERS_NEEDS, PAYMENTS_NEEDS),
)


class CardCounts(Counters):
    """Cards as published."""

    issued = Scalar()
    accounts = Scalar()
    parties = Scalar()
    torn = Scalar()
    strange_bins = Scalar()
    expiries = Scalar()
    unfollowed = Scalar()
    weekend = Scalar()
    states = Vector("card_status")
    active_in = Vector("country")


def count_cards(ctx: PartitionContext, holders: Holders, base: Frame, cards: Frame) -> None:
    """Integer sums of one partition over the published cards.

    Args:
        ctx: Context.
        holders: Its accounts.
        base: Rows of `s3_instrument_base_6A`.
        cards: Rows of `s3_card_base_6A`.
    """
    span = life_span(ctx.params.scenario_horizon_5A)
    last = span.first_day + span.days - 1
    first = base.instrument_id[0] if len(base) else np.uint64(1)
    place = (cards.instrument_id - first).astype(np.int64)
    account = (base.account_id[place] - holders.base.account_id[0]).astype(np.int64) if len(base) else place
    opened, closed = holders.base.open_date[account], cards.present("closed_date")
    active = cards.present("activation_date")
    expires = last_valid_day(cards.expiry_month)
    torn = (cards.issue_date < opened) | (cards.issue_date > last) | (cards.issue_date > expires)
    torn |= active & (cards.activation_date < cards.issue_date)
    torn |= closed & ((cards.closed_date > expires + 1) | (cards.closed_date > last))
    torn |= active & closed & (cards.closed_date < cards.activation_date)
    torn |= ~closed & (expires < last)
    next_one = np.flatnonzero(place[1:] == place[:-1])
    # A card has ended when the next one begins to live, so one card of an instrument lives at a time.
    begins = np.where(active, cards.activation_date, np.int32(2**31 - 1))
    ends = np.where(closed, cards.closed_date, np.int32(2**31 - 1))
    torn[next_one] |= ends[next_one] > begins[next_one + 1]
    torn[next_one] |= cards.issue_date[next_one] >= cards.issue_date[next_one + 1]
    ctx.count(CardCounts.torn, int(torn.sum()))
    ctx.count(CardCounts.issued, len(cards))
    ctx.count(CardCounts.accounts, len(holders.base))
    ctx.count(CardCounts.parties, len(holders.parties))
    code = {name: ctx.code("card_status", name) for name in ctx.vocabulary("card_status")}
    expired = cards.status == code["EXPIRED"]
    due = (expires <= last) & np.isin(cards.status, [code["EXPIRED"], code["REPLACED"]])
    ctx.count(CardCounts.expiries, int(due.sum()))
    ctx.count(CardCounts.unfollowed, int((due & expired).sum()))
    ctx.count(CardCounts.states, np.bincount(cards.status, minlength=len(code)))
    week = Weekdays.by_country(ctx, ctx.params.card_life_6A.weekend_permille)
    country = holders.summary.country_iso[holders.group[account]]
    alive = country[cards.status == code["ACTIVE"]]
    ctx.count(CardCounts.active_in, np.bincount(alive, minlength=len(ctx.vocabulary("country"))))
    ctx.count(CardCounts.weekend, int(week.on_weekend(ctx, cards.issue_date, country).sum()))
    _count_bins(ctx, base.take(np.flatnonzero(base.present("bin"))))


def _count_bins(ctx: PartitionContext, cards: Frame) -> None:
    """Cards whose number is not that of their issuer, country, funding, marks and tier."""
    countries = np.unique(ctx.load("s1_party_summary_6A", columns=("country_iso",)).country_iso)
    table = bin_rows(ctx, issuer_rows(ctx, countries))
    row = np.minimum(np.searchsorted(table.bin, cards.bin), len(table) - 1)
    wrong = table.bin[row] != cards.bin
    for name in ("issuer_id", "scheme", "domestic_only", "brand_tier"):
        wrong |= table[name][row] != cards[name]
    wrong |= table.present("co_badge_scheme")[row] != cards.present("co_badge_scheme")
    wrong |= cards.present("co_badge_scheme") & (table.co_badge_scheme[row] != cards.co_badge_scheme)
    wrong |= table.funding[row] != funding_of(ctx)[cards.instrument_type]
    ctx.count(CardCounts.strange_bins, int(wrong.sum()))


def card_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of cards, issuers and BINs."""
    seen, gates = CardCounts(totals), ctx.params.realism_gates_6A.instruments
    unfollowed = float(gates.unfollowed_permille) / 1000
    sigma = float(gates.draw_sigmas)
    allowed = unfollowed * seen.expiries
    allowed += sigma * float(np.sqrt(allowed * (1.0 - unfollowed))) + 1.0
    least, most = (float(part) / 1000 * seen.issued for part in gates.weekend_permille)
    slack = sigma * float(np.sqrt(most)) + 1.0
    states = dict(zip(ctx.vocabulary("card_status"), seen.states.tolist(), strict=True))
    return [
        Check(
            "cards follow one another",
            seen.torn == 0,
            seen.torn,
            0,
            f"cards out of their account, or alive beside the next one; states {states}",
        ),
        Check(
            "cards expire with a successor",
            seen.unfollowed <= allowed,
            {"expiries": seen.expiries, "without": seen.unfollowed},
            {"without_at_most": allowed},
            "cards that expired inside the horizon and that nobody renewed",
        ),
        Check(
            "cards issued on weekends",
            least - slack <= seen.weekend <= most + slack,
            {"cards": seen.issued, "on_weekends": seen.weekend},
            {"between": [least - slack, most + slack]},
            "by the weekend of the country",
        ),
        Check(
            "BINs are those of the table",
            seen.strange_bins == 0,
            seen.strange_bins,
            0,
            "cards whose BIN says another issuer, country, funding, network or tier",
        ),
        ledger_check(totals, LIFE, seen.issued, 6),
        ledger_check(totals, MAIN, seen.parties, 1),
        ledger_check(totals, OTHER, seen.accounts, 2),
    ]


def check_cards(ctx: Context) -> None:
    """Refuse a life of cards that contradicts itself; runs before anything else.

    Raises:
        ContractError: `6A.S3.VOCABULARY_MISMATCH` or `6A.S3.POLICY_CONTRADICTS`.
    """
    law, issuers = ctx.params.card_life_6A, ctx.params.issuers_6A
    terms = ctx.vocabulary("instrument_type")
    require_terms(ctx, law.instant, terms, "card_life_6A.instant", "instrument_type", complete=False)
    faults = []
    parts = sum(row.parts for row in law.activation_mix)
    if parts != 10_000:
        faults.append(Fault("card_life_6A.activation_mix", f"activation_mix sums to {parts}, not 10000"))
    if law.reissue_days[0] > law.reissue_days[1]:
        faults.append(Fault("card_life_6A.reissue_days", "reissue_days: the least is above the most"))
    if issuers.least > issuers.most:
        faults.append(Fault("issuers_6A.least", "issuers_6A.least is above issuers_6A.most"))
    what, do = "The life of cards contradicts itself.", "correct the value named"
    refuse_any(ctx, "POLICY_CONTRADICTS", what, faults, do=do)

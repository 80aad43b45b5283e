"""Accounts of merchants: one to settle sales, and for some a reserve held back against chargebacks."""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, by_term, currency_of_country
from sim.recipes.weekdays import Weekdays
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.s2_accounts.life import ACCOUNT_LIFE_NEEDS, status, status_limits
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, AgeLaws, Days
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

RESERVE, LIFE = "6A.merchant_reserve", "6A.merchant_account_life"

MERCHANT_ACCOUNTS_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "s7_merchant_life_5A": ROW_LEVEL},
    config=("account_life_6A", "account_taxonomy_6A", "party_life_6A"),
    streams=(LIFE, RESERVE),
    kernels=("bounded_integer",),
    uses=(ACCOUNT_LIFE_NEEDS, COUNTRY_TERMS_NEEDS, WORDS_NEEDS),
)


class MerchantCounts(Counters):
    """Merchants with an account for settlement, and those with a reserve."""

    merchants = Scalar()
    merchant_reserves = Scalar()
    opened_late = Scalar()


def _time(ctx: PartitionContext, merchant_id: Array, words: Array) -> tuple[Array, Array]:
    """Last and first day on which each account may open: int32, n.

    The last is the day before the horizon, or before the first day of sales where that comes later. The first
    is some days before the first sale; for merchants that a user brought, who say nothing of it, as long ago
    as any account.
    """
    life, days = ctx.params.account_life_6A, Days.of_horizon(ctx)
    lives = ctx.load("s7_merchant_life_5A", columns=("merchant_id", "opened_date"), device=True)
    at = look_up(lives.merchant_id, merchant_id)
    known, opened = lives.present("opened_date")[at], lives.opened_date[at]
    lead = ctx.kernels.bounded_integer(x=words, bound=np.full_like(words, life.merchant_lead_days))
    before = days.first - np.int32(1)
    last = np.where(known, np.maximum(opened - np.int32(1), before), before)
    longest = np.int32(life.merchant_tenure_max_years * DAYS_A_YEAR)
    start = np.where(known, opened - np.int32(1) - lead.astype(np.int32), before - longest)
    return last, start


def merchant_accounts(ctx: PartitionContext, first_id: int) -> Frame:
    """Rows of `s2_merchant_account_base_6A`, ids from `first_id`, in the order merchant, type.

    A merchant draws whether it has a reserve account (by channel); every account draws its day of opening and
    status, and a reserve is not older than the settlement account. Both are open before the horizon, or
    before the first day of sales of a merchant that opens inside it; nobody changes banks there. A merchant
    that closes keeps its accounts, since chargebacks come for months.
    """
    policy, life = ctx.params.account_taxonomy_6A.merchant_accounts, ctx.params.account_life_6A
    columns = ctx.columns
    merchants = ctx.load(
        "merchant_catalogue_1A", columns=("merchant_id", "channel", "home_country_iso"), device=True
    )
    odds = by_term(
        ctx, "channel", policy.reserve_permille, "account_taxonomy_6A.merchant_accounts.reserve_permille"
    )
    coin = word(ctx, RESERVE, merchant_id=merchants.merchant_id)
    point = ctx.kernels.bounded_integer(x=coin, bound=np.full_like(coin, 1000))
    reserve = point < columns.take(np.array(odds, dtype=np.uint64), merchants.channel)

    copies = 1 + reserve.astype(np.int64)
    owner = columns.repeat(columns.xp.arange(len(merchants)), copies)
    second = columns.xp.arange(len(owner)) != (np.cumsum(copies) - copies)[owner]
    rows = merchants.take(owner)
    x0, x1, x2, x3 = words(ctx, LIFE, reserve=second, merchant_id=rows.merchant_id)
    median = life.merchant_tenure_median_years * life.tenure_factor["SETTLEMENT"]
    laws = AgeLaws.by_median(
        ctx,
        np.array([median], dtype=np.float64),
        life.tenure_sigma,
        at_once=life.merchant_first_permille / np.float64(1000),
    )
    last, start = _time(ctx, rows.merchant_id, x3)
    most, one = (last - start + np.int32(1)).astype(np.float64), np.zeros_like(x0, dtype=np.uint32)
    age = laws.ages(ctx, x0, most, one)
    at = np.flatnonzero(second)
    age[at] = laws.ages(ctx, x0[at], (age[at - 1] + np.int32(1)).astype(np.float64), one[at])
    week = Weekdays.by_country(ctx, ctx.params.party_life_6A.weekend_permille)
    day = week.settle(ctx, last - age, rows.home_country_iso, x2, start)
    day[at] = np.maximum(day[at], day[at - 1])
    names = ctx.code("account_type", policy.settlement), ctx.code("account_type", policy.reserve)
    kind = np.where(second, names[1], names[0]).astype(np.int16)
    ctx.count(MerchantCounts.merchants, len(merchants))
    ctx.count(MerchantCounts.opened_late, int((day > last).sum()))
    ctx.count(MerchantCounts.merchant_reserves, int(reserve.sum()))
    return Frame(
        {
            "account_id": columns.xp.arange(len(rows), dtype=np.uint64) + np.uint64(first_id),
            "merchant_id": rows.merchant_id,
            "account_type": kind,
            "country_iso": rows.home_country_iso,
            "currency": columns.take(currency_of_country(ctx), rows.home_country_iso),
            "open_date": day,
            "status": status(ctx, x1, columns.take(status_limits(ctx), kind)),
        }
    )

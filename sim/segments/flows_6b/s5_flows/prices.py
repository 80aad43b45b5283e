"""What each purchase of a range costs, what is taken in the end, and what the account is billed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.horizon import DAY_S, MICRO, span_of
from sim.recipes.join import look_up
from sim.recipes.terms import by_term, entry, require_terms
from sim.segments.flows_6b.money import COINS_NEEDS, POWERS, coins
from sim.segments.flows_6b.s5_flows.rows import NOBODY, CardChoice, Merchants, People, Rows
from sim.segments.flows_6b.s5_flows.thresholds import below
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

AMOUNT, PAIR, TIP = "6B.amount", "6B.pair_amount", "6B.tip"
SHOPS, RATES = "shop_prices_6B", "exchange_rates_6B"

PRICE_TABLES_NEEDS = Needs(
    reads={SHOPS: ROW_LEVEL, RATES: ROW_LEVEL},
    config=("price_law_6B", "scenario_horizon_5A"),
    uses=(COINS_NEEDS,),
)
PRICES_NEEDS = Needs(streams=(AMOUNT, PAIR, TIP), kernels=("log_map", "price_rows"))
FEES_NEEDS = Needs(config=("price_law_6B",))


@dataclass(frozen=True, slots=True)
class PriceTables:
    """What prices of all ranges are made of; arguments of kernel `price_rows` by name, but for the rows.

    Attributes:
        place: int32, merchants x countries: row of the shop; -1 where a merchant sells nothing.
        columns: Columns of shops, laws, currencies and rates.
        first_day: Day of the first rate.
        days: Days with rates.
    """

    place: Array
    columns: dict[str, Any]
    first_day: int
    days: int


@dataclass(frozen=True, slots=True)
class Prices:
    """What pass 3 (`price_rows`) says of each row: n rows, minor units."""

    shop: Array
    """uint32, n: row in `PriceTables`."""
    amount: Array
    """int64, n: asked for, in the currency of the sale; above 0."""
    capture: Array
    """int64, n: what the merchant takes if all goes well; above 0."""
    billing: Array
    """int64, n: the amount in the account's currency, fee included; above 0."""


def require_fees(ctx: Context) -> None:
    """Refuse fees of account types that do not exist.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`.
    """
    fees, names = ctx.params.price_law_6B.foreign_fee.accounts, ctx.vocabulary("account_type")
    require_terms(ctx, fees, names, "price_law_6B.foreign_fee.accounts", "account_type", complete=False)


def fee_ppm(ctx: Context) -> Array:
    """What is added to purchases in other currencies, parts of a million: uint32 by code of account type."""
    fees = ctx.params.price_law_6B.foreign_fee
    found = [entry(fees.accounts, name, fees.default) for name in ctx.vocabulary("account_type")]
    return np.array(found, dtype=np.uint32)


def price_tables(ctx: Context, merchants: Merchants) -> PriceTables:
    """Shops, laws, currencies and rates, made once a process."""
    shops, rates = ctx.load(SHOPS), ctx.load(RATES)
    span = span_of(ctx.params.scenario_horizon_5A)
    place = np.full((len(merchants.merchant_id), len(ctx.vocabulary("country"))), -1, dtype=np.int32)
    place[look_up(merchants.merchant_id, shops.merchant_id), shops.country_iso] = np.arange(len(shops))
    change = shops.change_date.astype(np.int64) * (DAY_S * MICRO)
    money = coins(ctx)
    columns = {
        "merchant_id": shops.merchant_id,
        "currency": shops.currency.astype(np.uint32),
        "law": shops.price_class.astype(np.uint32),
        "log_median": shops.log_median,
        "sigma": shops.sigma,
        "most": shops.most_minor.astype(np.uint64),
        "change_us": np.where(shops.present("change_date"), change, np.iinfo(np.int64).max),
        "change_log": shops.change_log,
        "tip_below": below(shops.tip_permille),
        "tip_low": shops.tip_low.astype(np.uint32),
        "tip_spread": (shops.tip_high - shops.tip_low).astype(np.uint32),
        "tip_later": shops.tip_later.astype(np.uint8),
        "hold": shops.hold_minor.astype(np.uint64),
        "unit": money.unit,
        "grain": money.grain,
        "note": money.note,
        "rate": rates.per_usd_e9.astype(np.uint64) * POWERS[rates.minor_units],
        **_laws(ctx),
    }
    return PriceTables(place, columns, span.first_day, span.days)


def _laws(ctx: Context) -> dict[str, Array]:
    """Columns of laws by code of price class."""
    law = ctx.params.price_law_6B
    each = by_term(ctx, "price_class", law.classes, "price_law_6B.classes")
    habit = np.array([float(one.habit) for one in each])
    ends = np.array([[one.under, one.half_under, one.half, one.whole] for one in each], dtype=np.uint64)
    limits = below(np.cumsum(ends, axis=1))
    names = ("under_below", "half_under_below", "half_below", "whole_below")
    return {
        "notes": np.array([one.notes for one in each], dtype=np.uint8),
        "spend_power": np.array([float(one.spend_power) for one in each]),
        "habit": np.sqrt(habit),
        "chance": np.sqrt(1.0 - habit),
        "wobble": np.array([float(one.wobble) for one in each]),
        **{name: np.ascontiguousarray(limits[:, place]) for place, name in enumerate(names)},
    }


def shop_of(tables: PriceTables, rows: Rows) -> Array:
    """Row of each purchase's shop: uint32, n. Online, a merchant sells from its home country.

    Raises:
        ValueError: A merchant has no prices where it sells (a bug in 6B.S9).
    """
    found = tables.place[rows.merchant, rows.country]
    if (found < 0).any():
        raise ValueError("a merchant has no prices in a country in which it sells")
    return found.astype(np.uint32)


def price_arguments(
    ctx: Context,
    tables: PriceTables,
    rows: Rows,
    shop: Array,
    people: People,
    cards: CardChoice,
) -> dict[str, Any]:
    """Arguments of `price_rows` but for the keys of its streams."""
    account = people.instruments.account[cards.instrument]
    once, again = (ctx.code("arrival_kind", name) for name in ("CIT", "MIT_RECURRING"))
    return {
        "first_day": tables.first_day,
        "days": tables.days,
        "c0": rows.c0,
        "place": rows.place_id,
        "ts_us": rows.ts_us,
        "party": rows.party,
        "shop": shop,
        "repeats": (rows.kind == again).astype(np.uint8),
        "present": ((rows.kind == once) & (rows.site != NOBODY)).astype(np.uint8),
        "account_currency": people.accounts.currency[account].astype(np.uint32),
        "fee_ppm": fee_ppm(ctx)[people.accounts.account_type[account]],
        "party_word": people.word,
        "log_spend": ctx.kernels.log_map(x=people.spend_level),
        **tables.columns,
    }


def prices(
    ctx: Context,
    tables: PriceTables,
    rows: Rows,
    people: People,
    cards: CardChoice,
) -> Prices:
    """Price the rows of a range; nothing is entered in the ledger.

    Args:
        ctx: Context.
        tables: From `price_tables`.
        rows: The range's rows.
        people: The range's people.
        cards: What pass 1 chose.
    """
    shop = shop_of(tables, rows)
    given = price_arguments(ctx, tables, rows, shop, people, cards)
    keys: dict[str, Any] = {
        "key": ctx.stream(AMOUNT),
        "pair_key": ctx.stream(PAIR),
        "tip_key": ctx.stream(TIP),
    }
    return Prices(shop, *ctx.kernels.price_rows(**keys, **given))


def tips_drawn(ctx: Context, tables: PriceTables, rows: Rows, shop: Array) -> Array:
    """Rows that drew from the stream of tips: served guests where tips are given; int64, ascending.

    Args:
        ctx: Context.
        tables: From `price_tables`.
        rows: The range's rows.
        shop: uint32, n: of `shop_of`.
    """
    served = (rows.kind == ctx.code("arrival_kind", "CIT")) & (rows.site != NOBODY)
    given = (tables.columns["hold"] == 0) & (tables.columns["tip_below"] > 0)
    return np.flatnonzero(served & given[shop])

"""How each market pays: `national_payments_6A` as tables by country code.

A country without a row follows the fallback of its region and income group. A card bears one mark or two: the
network that issued its number, and a co-badge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.terms import (
    COUNTRY_TERMS_NEEDS,
    WHOLE,
    currency_of_country,
    entry,
    region_of_country,
    require_terms,
    shares,
)
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params
from sim.state.refuse import Fault, refuse_any

FUNDINGS = ("DEBIT_CARD", "CREDIT_CARD")
"""Kinds of cards, as `instrument_taxonomy_6A` names them; a pack says `debit` and `credit`."""
_PACK = "national_payments_6A"
_KEYS = {"DEBIT_CARD": "debit", "CREDIT_CARD": "credit"}
WALLET_SYSTEMS = ("IOS", "ANDROID")

HOLDING_NEEDS = Needs(kernels=("capped_share",))
PAYMENTS_NEEDS = Needs(config=(_PACK,), reference=("countries",), uses=(COUNTRY_TERMS_NEEDS,))


@dataclass(frozen=True)
class Marks:
    """What cards bear, by country.

    Attributes:
        scheme: int16, k: network that issued the number of each kind of card.
        co_badge: int16, k: the other network, -1 for none.
        parts: uint64, fundings x countries x k: cards by kind, in ten-thousandths.
        domestic: bool, countries x k: works in the country alone.
    """

    scheme: Array
    co_badge: Array
    parts: Array
    domestic: Array


def marks_of(ctx: Context) -> Marks:
    """Kinds of cards of every country."""
    pack, countries = ctx.params.national_payments_6A, ctx.vocabulary("country")
    names = sorted({mark for mix in _mixes(pack) for mark in mix})
    place, code = (
        {name: at for at, name in enumerate(names)},
        {name: at for at, name in enumerate(ctx.vocabulary("scheme"))},
    )
    pairs = [name.split("+") for name in names]
    scheme = np.array([code[pair[0]] for pair in pairs], dtype=np.int16)
    co_badge = np.array([code[pair[1]] if len(pair) == 2 else -1 for pair in pairs], dtype=np.int16)
    parts = np.zeros((len(FUNDINGS), len(countries), len(names)), dtype=np.uint64)
    region = region_of_country(ctx)
    for number, funding in enumerate(FUNDINGS):
        fallback = np.zeros((len(ctx.vocabulary("region")), len(names)), dtype=np.uint64)
        for at, name in enumerate(ctx.vocabulary("region")):
            _fill(fallback[at], pack.fallback[_KEYS[funding]][name], place)
        parts[number] = fallback[region]
        for name, market in pack.markets.items():
            _fill(parts[number, ctx.code("country", name)], market[_KEYS[funding]], place)
    at_home = np.isin(np.arange(len(code)), [code[name] for name in pack.domestic_networks])
    domestic = np.tile(at_home[scheme] & ((co_badge < 0) | at_home[co_badge]), (len(countries), 1))
    for name, market in pack.markets.items():
        only = [code[term] for term in entry(market, "domestic_only", ())]
        domestic[ctx.code("country", name)] |= np.isin(scheme, only)
    return Marks(scheme, co_badge, parts, domestic)


def _fill(row: Array, mix: Params, place: dict[str, int]) -> None:
    row[:] = 0
    for mark, parts in mix.items():
        row[place[mark]] = parts


def _mixes(pack: Params) -> list[Params]:
    mixes = [market[key] for _, market in pack.markets.items() for key in _KEYS.values()]
    return mixes + [mix for key in _KEYS.values() for _, mix in pack.fallback[key].items()]


def by_country(ctx: Context, key: str) -> list[Any]:
    """`holding_permille`, `phones_permille` or `wallets` of each country, by code."""
    pack, table = ctx.params.national_payments_6A, ctx.reference("countries")
    rows: list[Any] = [None] * len(ctx.vocabulary("country"))
    for country, group in zip(table.country_iso.tolist(), table.income_group.tolist(), strict=True):
        rows[country] = pack.fallback[key][group]
    for name, market in pack.markets.items():
        rows[ctx.code("country", name)] = market[key]
    return rows


def permille_of(ctx: Context, key: str, what: str) -> Array:
    """A figure of `holding_permille` or `phones_permille` by country code: int64."""
    return np.array([row[what] for row in by_country(ctx, key)], dtype=np.int64)


def shared_holders(
    ctx: Context, offsets: Array, weight: Array, most: Array, units: Array, start: Array
) -> Array:
    """Holders of each cell of a country: uint64, by weight, no cell above its most.

    Args:
        ctx: Context of a state with kernel `capped_share`.
        offsets: uint64, k + 1: cells of each country.
        weight: uint64, n.
        most: uint64, n: below 2**32.
        units: uint64, k: holders of each country.
        start: uint64, k: a word of each country that nothing else has drawn.
    """
    count: Array = ctx.kernels.capped_share(
        offset=offsets, weight=weight, cap=most.astype(np.uint32), units=units, start=start
    )
    return count.astype(np.uint64)


def holders_of(holders: Array, permille: Array) -> Array:
    """Holders x permille / 1000, halves up: int64."""
    return (holders * permille + 500) // 1000


def online_rails(ctx: Context) -> Array:
    """Scheme of bank account handles by country code: int16."""
    pack = ctx.params.national_payments_6A
    code = {name: at for at, name in enumerate(ctx.vocabulary("scheme"))}
    currency = currency_of_country(ctx)
    rails = np.full(len(currency), code[pack.fallback.online_rail.other], dtype=np.int16)
    for name, rail in pack.fallback.online_rail.currency.items():
        rails[currency == ctx.code("currency", name)] = code[rail]
    for name, market in pack.markets.items():
        rails[ctx.code("country", name)] = code[market.online_rail]
    return rails


def international_rails(ctx: Context) -> Array:
    """Scheme of international bank account handles by country code: int16."""
    code = ctx.code("scheme", ctx.params.national_payments_6A.fallback.online_rail.international)
    return np.full(len(ctx.vocabulary("country")), code, dtype=np.int16)


def check_payments(ctx: Context) -> None:
    """Refuse a table with unknown words, or mixes that are not whole; runs before any state that reads it.

    Raises:
        ContractError: `<state>.VOCABULARY_MISMATCH` or `<state>.MIX_INCOMPLETE`.
    """
    pack = ctx.params.national_payments_6A
    schemes, countries = ctx.vocabulary("scheme"), ctx.vocabulary("country")
    markets, fallback = f"{_PACK}.markets", f"{_PACK}.fallback"
    require_terms(ctx, pack.markets, countries, markets, "country", complete=False)
    require_terms(
        ctx, pack.domestic_networks, schemes, f"{_PACK}.domestic_networks", "scheme", complete=False
    )
    require_terms(ctx, pack.wallet_networks, schemes, f"{_PACK}.wallet_networks", "scheme", complete=False)
    for name, networks in pack.wallet_networks.items():
        require_terms(ctx, networks, schemes, f"{_PACK}.wallet_networks.{name}", "scheme", complete=False)
    for name, market in pack.markets.items():
        for key in _KEYS.values():
            _check_marks(ctx, market[key], f"{markets}.{name}.{key}")
        _check_wallets(ctx, market.wallets, f"{markets}.{name}.wallets")
        _check_rail(ctx, market.online_rail, f"{markets}.{name}.online_rail")
        only = entry(market, "domestic_only", ())
        require_terms(ctx, only, schemes, f"{markets}.{name}", "scheme (domestic_only)", complete=False)
    for key in _KEYS.values():
        require_terms(ctx, pack.fallback[key], ctx.vocabulary("region"), f"{fallback}.{key}", "region")
        for name, mix in pack.fallback[key].items():
            _check_marks(ctx, mix, f"{fallback}.{key}.{name}")
    groups = sorted(set(ctx.reference("countries").income_group.tolist()))
    for key in ("holding_permille", "phones_permille", "wallets"):
        require_terms(ctx, pack.fallback[key], groups, f"{fallback}.{key}", "of income groups")
    for name, row in pack.fallback.wallets.items():
        _check_wallets(ctx, row, f"{fallback}.wallets.{name}")
    rails = pack.fallback.online_rail
    currencies = ctx.vocabulary("currency")
    require_terms(ctx, rails.currency, currencies, f"{fallback}.online_rail.currency", "currency", False)
    for name, rail in rails.currency.items():
        _check_rail(ctx, rail, f"{fallback}.online_rail.currency.{name}")
    _check_rail(ctx, rails.other, f"{fallback}.online_rail.other")
    _check_rail(ctx, rails.international, f"{fallback}.online_rail.international")


def _check_rail(ctx: Context, rail: str, where: str) -> None:
    require_terms(ctx, [rail], ctx.vocabulary("scheme"), where, "scheme", complete=False)


def _check_marks(ctx: Context, mix: Params, where: str) -> None:
    marks = sorted({term for mark in mix for term in mark.split("+")})
    require_terms(ctx, marks, ctx.vocabulary("scheme"), where, "scheme", complete=False)
    total = sum(parts for _, parts in mix.items())
    faults = [] if total == WHOLE else [Fault(where, f"{where} sums to {total}")]
    refuse_any(ctx, "MIX_INCOMPLETE", f"Shares must sum to {WHOLE}.", faults, do="correct the shares")


def _check_wallets(ctx: Context, row: Params, where: str) -> None:
    known = list(ctx.params.national_payments_6A.wallet_networks)
    for system in WALLET_SYSTEMS:
        shares(ctx, "scheme", row[system], f"{where}.{system}", known)

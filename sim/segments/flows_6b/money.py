"""Currencies as shops and cash machines count them, and price levels of countries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.terms import COUNTRY_TERMS_NEEDS, currency_of_country, entry
from sim.segments.flows_6b.s8_exchange.law import CURRENCIES_NEEDS, currencies
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

POWERS = np.array([1, 10, 100, 1000, 10_000], dtype=np.uint64)
"""Minor units of a whole unit by decimals."""

COINS_NEEDS = Needs(config=("price_law_6B",), uses=(CURRENCIES_NEEDS,))
LEVELS_NEEDS = Needs(
    config=("price_law_6B",),
    reference=("countries",),
    kernels=("log_map",),
    uses=(CURRENCIES_NEEDS, COUNTRY_TERMS_NEEDS),
)
REQUIRE_COINS_NEEDS = Needs(config=("price_law_6B",), reference=("countries",))


@dataclass(frozen=True)
class Coins:
    """Currencies by code of the vocabulary, all in minor units.

    Attributes:
        unit: uint64: what people count prices in: a power of ten, about a dollar.
        grain: uint64: least step of prices.
        note: uint64: what cash machines count in.
    """

    unit: Array
    grain: Array
    note: Array


def coins(ctx: Context) -> Coins:
    """Units, least steps and notes of every currency."""
    law, known = ctx.params.price_law_6B, currencies(ctx)
    names = ctx.vocabulary("currency")
    whole = POWERS[known.minor_units]
    # The largest power of ten at most 10**.25 times what a dollar costs: .56 to 5.6 dollars are one unit.
    dollar = np.maximum(np.floor(known.per_usd * whole.astype(np.float64) * 1.778), 1.0).astype(np.uint64)
    unit = np.ones(len(names), dtype=np.uint64)
    for _ in range(18):
        unit = np.where(unit * np.uint64(10) <= dollar, unit * np.uint64(10), unit)
    grain = np.array([entry(law.grains, name, 1) for name in names], dtype=np.uint64)
    note = np.array([entry(law.notes, name, 0) for name in names], dtype=np.uint64) * whole
    return Coins(unit, np.minimum(grain, unit), np.where(note > 0, note, unit * np.uint64(10)))


def log_levels(ctx: Context) -> Array:
    """Logarithm of what goods of one US cent cost in each country, in minor units: float64 by country code.

    Rates are those of the day of the levels: shops do not change their prices with every day's rate.
    """
    law, known = ctx.params.price_law_6B, currencies(ctx)
    table, names = ctx.reference("countries"), ctx.vocabulary("country")
    level = np.ones(len(names))
    group = dict(zip(table.country_iso.tolist(), table.income_group.tolist(), strict=True))
    for code, name in enumerate(names):
        if name in law.price_level:
            level[code] = float(law.price_level[name])
        elif code in group:
            level[code] = float(law.price_level_of_income[group[code]])
    money = currency_of_country(ctx)
    cents = known.per_usd[money] * POWERS[known.minor_units[money]].astype(np.float64) / 100.0
    found: Array = ctx.kernels.log_map(x=level) + ctx.kernels.log_map(x=cents)
    return found


def require_coins(ctx: Context) -> None:
    """Refuse currencies and countries that do not exist, and income groups left out.

    Raises:
        ContractError: `<state>.PRICES_INVALID`.
    """
    law = ctx.params.price_law_6B
    groups = set(ctx.reference("countries").income_group.tolist())
    lists = {
        "grains": (law.grains, set(ctx.vocabulary("currency"))),
        "notes": (law.notes, set(ctx.vocabulary("currency"))),
        "price_level": (law.price_level, set(ctx.vocabulary("country"))),
        "tips.countries": (law.tips.countries, set(ctx.vocabulary("country"))),
        "price_level_of_income": (law.price_level_of_income, groups),
    }
    faults = [
        Fault(f"price_law_6B.{at}.{name}", "there is no such")
        for at, (values, known) in lists.items()
        for name in values
        if name not in known
    ]
    given = law.price_level_of_income
    faults += [
        Fault("price_law_6B.price_level_of_income", f"{name} is missing")
        for name in sorted(groups)
        if name not in given
    ]
    refuse_any(ctx, "PRICES_INVALID", "Prices contradict the snapshot.", faults, do="correct the name")

"""Median, spread, class, tips and sums asked for beforehand of every shop: a merchant in a country."""

from __future__ import annotations

import numpy as np

from sim.recipes.horizon import life_span
from sim.recipes.join import look_up
from sim.recipes.supplied import replaced
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, currency_of_country, entry, require_terms
from sim.recipes.words import BELOW_NEEDS, below
from sim.segments.flows_6b.money import (
    COINS_NEEDS,
    LEVELS_NEEDS,
    POWERS,
    REQUIRE_COINS_NEEDS,
    coins,
    log_levels,
    require_coins,
)
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.refuse import Fault, refuse_any

LEVEL, WHETHER, DAY, HOW_MUCH, HOLD, BATCH = range(6)
"""Which draw decides what."""
CASH = "CASH"
PERMILLE = 1000
_SUPPLIED = "merchant_supplied_1A"
_CATALOGUE = "merchant_catalogue_1A"
_OUTLETS = "outlet_catalogue"

SHOP_LAW_NEEDS = Needs(
    reads={_CATALOGUE: ROW_LEVEL, _SUPPLIED: ROW_LEVEL, _OUTLETS: ROW_LEVEL},
    config=("mcc_taxonomy_1A", "price_law_6B", "scenario_horizon_5A", "settlement_law_6B"),
    reference=("countries",),
    kernels=("exp_map", "log_map", "normal_quantile_map", "open_uniform"),
    uses=(BELOW_NEEDS, COINS_NEEDS, COUNTRY_TERMS_NEEDS, LEVELS_NEEDS, REQUIRE_COINS_NEEDS),
)


def require_prices(ctx: Context) -> None:
    """Refuse classes and trades that do not exist, and endings that are more than all.

    Raises:
        ContractError: `6B.S9.VOCABULARY_MISMATCH`, `6B.S9.PRICES_INVALID`.
    """
    law, taxonomy = ctx.params.price_law_6B, ctx.params.mcc_taxonomy_1A
    names, at = ctx.vocabulary("price_class"), "price_law_6B"
    require_coins(ctx)
    require_terms(ctx, law.classes, names, f"{at}.classes", "price_class")
    require_terms(
        ctx, law.class_of_sector, taxonomy.sectors, f"{at}.class_of_sector", "mcc_taxonomy_1A.sectors"
    )
    faults = [
        Fault(f"{at}.{key}.{trade}", f"{name} is not a class")
        for key in ("class_of_sector", "class_of_mcc")
        for trade, name in law[key].items()
        if name not in names
    ]
    for name, each in law.classes.items():
        if each.under + each.half_under + each.half + each.whole > PERMILLE:
            faults.append(Fault(f"{at}.classes.{name}", "endings are more than 1000 permille"))
    ranges = {"change": law.change, "tips.default": law.tips.default}
    ranges |= {f"tips.countries.{name}": each for name, each in law.tips.countries.items()}
    faults += [
        Fault(f"{at}.{key}", "low is above high") for key, each in ranges.items() if each.low > each.high
    ]
    batch = ctx.params.settlement_law_6B.batch
    if batch.first_minute > batch.last_minute:
        faults.append(Fault("settlement_law_6B.batch", "the first minute is after the last"))
    refuse_any(ctx, "PRICES_INVALID", "The law of prices contradicts itself.", faults, do="correct it")


def shop_keys(ctx: Context) -> Frame:
    """Merchant and country of every shop, ascending: `at` (int64, row in the catalogue), `country_iso`."""
    merchants = ctx.load(_CATALOGUE, columns=("merchant_id", "home_country_iso"))
    outlets = ctx.load(_OUTLETS, columns=("merchant_id", "legal_country_iso"))
    owner = look_up(merchants.merchant_id, outlets.merchant_id)
    home = (np.arange(len(merchants), dtype=np.int64) << 16) | merchants.home_country_iso
    pairs = np.unique(np.concatenate([home, (owner << 16) | outlets.legal_country_iso]))
    return Frame({"at": pairs >> 16, "country_iso": (pairs & 0xFFFF).astype(np.int16)})


def shops(ctx: Context, keys: Frame, words: tuple[Array, ...]) -> Frame:
    """Rows of `shop_prices_6B`.

    Args:
        ctx: Context.
        keys: From `shop_keys`.
        words: Words of stream 6B.merchant_price, one a row of the catalogue each.
    """
    law, given = ctx.params.price_law_6B, ctx.load(_SUPPLIED)
    merchants = ctx.load(_CATALOGUE, columns=("merchant_id", "mcc", "home_country_iso"))
    mcc = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    trade = _trades(ctx, mcc)
    between = float(law.merchant_variance)
    whole = np.sqrt(np.float64(1.0 - between))
    level = trade.sigma * np.sqrt(np.float64(between)) * _normal(ctx, words[LEVEL])
    # A share of variance between merchants moves no trade's median; a user's median is that of the merchant.
    median = trade.log_cents + level
    land = log_levels(ctx)
    told = replaced(merchants.merchant_id, np.zeros(len(mcc)), given, "ticket_median")
    minor = _minor(ctx)[merchants.home_country_iso]
    own = ctx.kernels.log_map(x=np.where(told > 0.0, told * minor, 1.0)) - land[merchants.home_country_iso]
    median = np.where(told > 0.0, own, median)
    at, country = keys.at, keys.country_iso
    log_median = median[at] + land[country]
    money, known = currency_of_country(ctx)[country], coins(ctx)
    cash = trade.price_class[at] == ctx.code("price_class", CASH)
    least = np.where(cash, known.note[money], known.unit[money]).astype(np.float64)
    # exp(36) is below 2**53, above which amounts are no whole numbers in binary64.
    most = ctx.kernels.exp_map(x=np.minimum(log_median, 30.0)) * float(law.most_times)
    columns = {
        "merchant_id": merchants.merchant_id[at],
        "country_iso": country,
        "currency": money,
        "mcc": mcc[at],
        "price_class": trade.price_class[at],
        "log_median": log_median,
        "sigma": (trade.sigma * whole)[at],
        "most_minor": np.maximum(np.floor(np.minimum(most, 2.0**52)), least).astype(np.int64),
        **_changes(ctx, words, at),
        **_tips(ctx, mcc[at], country),
        "batch_minute": _batches(ctx, words[BATCH])[at],
        "hold_minor": _holds(ctx, mcc[at], country, words[HOLD][at]),
    }
    valid = {"change_date": columns.pop("changes")}
    return Frame(columns, valid)


def _normal(ctx: Context, words: Array) -> Array:
    found: Array = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=words))
    return found


def _trades(ctx: Context, mcc: Array) -> Frame:
    """Logarithm of the median in US cents, sigma and class of prices of each MCC: n."""
    law, names = ctx.params.price_law_6B, ctx.vocabulary("price_class")
    entries = ctx.params.mcc_taxonomy_1A.mccs
    codes = np.array([each.mcc for each in entries], dtype=np.uint16)
    kind = [
        names.index(entry(law.class_of_mcc, str(each.mcc), law.class_of_sector[each.sector]))
        for each in entries
    ]
    cents = np.array([float(each.ticket.median_minor) for each in entries])
    order = np.argsort(codes, kind="stable")
    place = order[look_up(codes[order], mcc)]
    return Frame(
        {
            "log_cents": ctx.kernels.log_map(x=cents)[place],
            "sigma": np.array([float(each.ticket.sigma) for each in entries])[place],
            "price_class": np.array(kind, dtype=np.int16)[place],
        }
    )


def _minor(ctx: Context) -> Array:
    """Minor units of a whole unit by country: float64."""
    table = ctx.reference("countries")
    found = np.ones(len(ctx.vocabulary("country")))
    found[table.country_iso] = POWERS[table.minor_units]
    return found


def _changes(ctx: Context, words: tuple[Array, ...], at: Array) -> dict[str, Array]:
    law, span = ctx.params.price_law_6B.change, life_span(ctx.params.scenario_horizon_5A)
    whether = below(ctx, words[WHETHER], PERMILLE) < law.permille
    day = span.first_day + below(ctx, words[DAY], span.days)
    rise = law.low + below(ctx, words[HOW_MUCH], law.high - law.low + 1)
    size = ctx.kernels.log_map(x=1.0 + rise.astype(np.float64) / 1000.0)
    return {
        "change_date": np.where(whether, day, 0).astype(np.int32)[at],
        "changes": whether[at],
        "change_log": np.where(whether, size, 0.0)[at],
    }


def _tips(ctx: Context, mcc: Array, country: Array) -> dict[str, Array]:
    law, names = ctx.params.price_law_6B.tips, ctx.vocabulary("country")
    here: list[Params] = [entry(law.countries, name, law.default) for name in names]
    served = np.isin(mcc, np.array(law.mccs))

    def by(key: str) -> Array:
        table = np.array([each[key] for each in here], dtype=np.uint16)
        found: Array = np.where(served, table[country], np.uint16(0))
        return found

    later = (by("later") > 0) & np.isin(mcc, np.array(law.later_mccs))
    return {"tip_permille": by("permille"), "tip_low": by("low"), "tip_high": by("high"), "tip_later": later}


def _batches(ctx: Context, words: Array) -> Array:
    law = ctx.params.settlement_law_6B.batch
    minute = law.first_minute + below(ctx, words, law.last_minute - law.first_minute + 1)
    found: Array = minute.astype(np.uint16)
    return found


def _holds(ctx: Context, mcc: Array, country: Array, words: Array) -> Array:
    """What pumps ask for beforehand: int64, a multiple of ten units; 0 where the price is asked for."""
    law = ctx.params.price_law_6B.fuel
    cents = np.array(law.holds, dtype=np.float64)[below(ctx, words, len(law.holds))] * 100.0
    sums = ctx.kernels.exp_map(x=ctx.kernels.log_map(x=cents) + log_levels(ctx)[country])
    ten = coins(ctx).unit[currency_of_country(ctx)[country]].astype(np.float64) * 10.0
    asked = np.maximum(np.floor(sums / ten + 0.5), 1.0) * ten
    found: Array = np.where(np.isin(mcc, np.array(law.mccs)), asked, 0.0).astype(np.int64)
    return found

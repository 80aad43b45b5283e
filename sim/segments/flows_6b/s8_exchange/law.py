"""What a US dollar costs: a level a currency, and a random walk from it that some currencies share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import day_number, span_of
from sim.recipes.terms import entry, require_terms
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

ONE = 1_000_000_000
"""Rates are in units of a currency over this, and moves in as many parts of the logarithm."""
DOLLAR = "USD"
CONFIG = "exchange_rates_config_6B"
_THURSDAY, _WEEKEND = 3, 5

CURRENCIES_NEEDS = Needs(config=(CONFIG,), reference=("countries",))
EXCHANGE_LAW_NEEDS = Needs(
    config=(CONFIG, "scenario_horizon_5A"),
    kernels=("exp_map", "normal_quantile_map", "open_uniform"),
    uses=(CURRENCIES_NEEDS,),
)


@dataclass(frozen=True)
class Currencies:
    """Currencies by code of the vocabulary.

    Attributes:
        per_usd: float64: units that a US dollar costs on the day of the levels.
        sigma: float64: standard deviation of the logarithm's daily move.
        follows: int64: code of the currency whose moves it shares; that of the dollar for most.
        minor_units: uint8: decimals of an amount.
    """

    per_usd: Array
    sigma: Array
    follows: Array
    minor_units: Array

    @property
    def walkers(self) -> Array:
        """Codes of the currencies that move by themselves, ascending: int64."""
        return np.flatnonzero(self.sigma > 0.0)


def require_rates(ctx: Context) -> None:
    """Refuse levels that leave a currency out, or chains of currencies that follow each other.

    Raises:
        ContractError: `6B.S8.VOCABULARY_MISMATCH`, `6B.S8.RATES_INVALID`.
    """
    pack = ctx.params.exchange_rates_config_6B
    at = f"{CONFIG}.currencies"
    require_terms(ctx, pack.currencies, ctx.vocabulary("currency"), at, "currency")
    faults = []
    for name, law in pack.currencies.items():
        leader = entry(law, "follows", DOLLAR)
        if law.moves not in pack.moves:
            faults.append(Fault(f"{at}.{name}.moves", f"{law.moves} is not a key of moves"))
        if leader not in pack.currencies or "follows" in pack.currencies[leader]:
            faults.append(Fault(f"{at}.{name}.follows", f"{leader} is unknown, or follows another itself"))
    dollar = pack.currencies[DOLLAR]
    if float(dollar.per_usd) != 1.0 or "follows" in dollar or float(entry(pack.moves, dollar.moves, 0.0)):
        faults.append(Fault(f"{at}.{DOLLAR}", "a US dollar costs one US dollar on every day"))
    try:
        level_day(ctx)
    except ValueError as error:
        faults.append(Fault(f"{CONFIG}.level_day", str(error)))
    refuse_any(
        ctx, "RATES_INVALID", "Exchange rates contradict themselves.", faults, do="correct the currency"
    )


def level_day(ctx: Context) -> int:
    """Days since 1970-01-01 of the day on which the levels hold."""
    return day_number(ctx.params.exchange_rates_config_6B.level_day)


def currencies(ctx: Context) -> Currencies:
    """The currencies as the pack has them."""
    pack, names = ctx.params.exchange_rates_config_6B, ctx.vocabulary("currency")
    laws = [pack.currencies[name] for name in names]
    place = {name: code for code, name in enumerate(names)}
    table = ctx.reference("countries")
    minor = np.zeros(len(names), dtype=np.uint8)
    minor[[place[name] for name in table.currency.tolist()]] = table.minor_units
    return Currencies(
        np.array([float(law.per_usd) for law in laws]),
        np.array([float(pack.moves[law.moves]) for law in laws]),
        np.array([place[entry(law, "follows", DOLLAR)] for law in laws], dtype=np.int64),
        minor,
    )


def walked_days(ctx: Context) -> tuple[int, int]:
    """First day and day after the last of the walk: from the day of the levels to both ends of the span."""
    span, level = span_of(ctx.params.scenario_horizon_5A), level_day(ctx)
    return min(span.first_day, level), max(span.first_day + span.days, level + 1)


def trading(days: Array) -> Array:
    """Whether rates move on days (int64, since 1970-01-01): Monday to Friday."""
    found: Array = (days + _THURSDAY) % 7 < _WEEKEND
    return found


def moves(ctx: Context, words: Array, sigma: Array) -> Array:
    """Moves of the logarithm over 1,000,000,000 from words: int64, n.

    Args:
        ctx: Context.
        words: uint64, n.
        sigma: float64, n: standard deviation of each.
    """
    most = float(ctx.params.exchange_rates_config_6B.most_move)
    z = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=words))
    steps = np.floor(np.clip(z, -most, most) * sigma * np.float64(ONE) + 0.5)
    found: Array = steps.astype(np.int64)
    return found


def rates(ctx: Context, known: Currencies, step: Array, first_day: int) -> Frame:
    """Rows of `exchange_rates_6B` over the span of all horizons.

    Args:
        ctx: Context.
        known: The currencies.
        step: int64, currencies x walked days: own move of each, 0 where it does not move.
        first_day: First walked day.
    """
    span = span_of(ctx.params.scenario_horizon_5A)
    path = np.cumsum(step, axis=1)
    # A day's move is that since the day before, so the walk is level where its sum is that of the level day.
    path -= path[:, [level_day(ctx) - first_day]]
    path += path[known.follows] * (known.follows != np.arange(len(path)))[:, None]
    begin = span.first_day - first_day
    days = np.arange(span.first_day, span.first_day + span.days, dtype=np.int32)
    inside = np.ascontiguousarray(path[:, begin : begin + span.days]).reshape(-1)
    level = np.repeat(known.per_usd, span.days)
    factor = ctx.kernels.exp_map(x=inside.astype(np.float64) / np.float64(ONE))
    return Frame(
        {
            "currency": np.repeat(np.arange(len(path), dtype=np.int16), span.days),
            "date": np.tile(days, len(path)),
            "minor_units": np.repeat(known.minor_units, span.days),
            "per_usd_e9": np.floor(level * factor * np.float64(ONE) + 0.5).astype(np.int64),
        }
    )

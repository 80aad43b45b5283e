"""Lives of merchants and seasons of their trades: what there is of a key's demand on each local day.

life(day) = 0 before opening and after closing, else
            ramp(days since opening) x (1 + growth x years since the first day of the world) x season
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import DAY_S, life_span
from sim.recipes.join import look_up, match
from sim.recipes.local_calendar import LocalCalendar
from sim.recipes.supplied import replaced
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

LIFE, SEASONS = "s7_merchant_life_5A", "s8_trade_seasons_5A"
LIFE_NEEDS = Needs(
    reads={
        LIFE: ROW_LEVEL,
        SEASONS: ROW_LEVEL,
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
    },
    config=("merchant_life_5A", "scenario_horizon_5A"),
)

_YEAR = np.float64(365.25)
_LEAST, _MOST = 0.1, 3.0  # growth is a straight line, which must not pass zero in a world of many years


@dataclass(frozen=True)
class LivedFactors:
    """Factors of the calendar with the lives of the keys' merchants.

    Attributes:
        start: uint64, one a key: its local bucket 0 in `factor`.
        factor: float64: a key's factors, one a local bucket of its zone.
    """

    start: Array
    factor: Array


def life_of(ctx: Context, keys: Frame, days: Array) -> Array:
    """What there is of each key's sales on local days: float64, keys x days.

    Args:
        ctx: Context.
        keys: Columns merchant_id, legal_country_iso; n.
        days: int64, m: days since 1970, one after the other.
    """
    table = ctx.load(LIFE)
    lives = table.take(look_up(table.merchant_id, keys.merchant_id))
    first_day = life_span(ctx.params.scenario_horizon_5A).first_day
    return lived_days(lives, days, ctx.params.merchant_life_5A, first_day) * _seasons(ctx, keys, days)


def lived_days(lives: Frame, days: Array, law: Params, first_day: int) -> Array:
    """What there is of merchants' sales on local days, without seasons: float64, merchants x days.

    Args:
        lives: Rows of `s7_merchant_life_5A`, one a merchant.
        days: int64: days since 1970.
        law: `merchant_life_5A`.
        first_day: First day of the world, from which sales grow.
    """
    known, ends = lives.present("opened_date"), lives.present("closed_date")
    opened, closed = lives.opened_date.astype(np.int64), lives.closed_date.astype(np.int64)
    since = days[None, :] - opened[:, None]
    steps = np.float64(law.ramp.days)
    ramp = law.ramp["from"] + (1.0 - law.ramp["from"]) * (np.clip(since, 0, law.ramp.days) / steps)
    ramp = np.where(known[:, None], np.where(since < 0, 0.0, ramp), 1.0)
    years = (days - first_day) / _YEAR
    drift = np.clip(1.0 + lives.growth[:, None] * years[None, :], _LEAST, _MOST)
    alive = ~ends[:, None] | (days[None, :] < closed[:, None])
    life: Array = np.where(alive, ramp * drift, 0.0)
    return life


def _seasons(ctx: Context, keys: Frame, days: Array) -> Array:
    """Factor of each key's trade on the days: float64, keys x days."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id", "law_mcc"))
    law = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    mcc = law[look_up(merchants.merchant_id, keys.merchant_id)]
    own, back = np.unique(_trade(mcc, keys.legal_country_iso), return_inverse=True)
    table = ctx.load(SEASONS)
    place, known = match(own, _trade(table.mcc, table.legal_country_iso))
    day = table.date.astype(np.int64) - days[0]
    used = known & (day >= 0) & (day < len(days))
    factor = np.ones((len(own), len(days)), dtype=np.float64)
    factor[place[used], day[used]] = table.factor[used]
    return factor[back]


def _trade(mcc: Array, country: Array) -> Array:
    code: Array = (mcc.astype(np.int64) << 16) | country.astype(np.int64)
    return code


def lived_factors(
    ctx: Context, keys: Frame, clock: LocalCalendar, bucket_seconds: int, factor: Array, start: Array
) -> LivedFactors:
    """Factors on the baseline of each key in each of its local buckets.

    Args:
        ctx: Context.
        keys: Columns merchant_id, legal_country_iso, tzid; n.
        clock: Local calendar of their zones.
        bucket_seconds: Length of a bucket.
        factor: float64: factors of combinations of country, zone and class.
        start: uint64, n: local bucket 0 of the key's combination in `factor`.
    """
    if len(keys) == 0:
        return LivedFactors(start, factor)
    zone = clock.zone_of(keys.tzid)
    size: Array = np.diff(clock.offset.astype(np.int64))
    first = clock.origin_s // DAY_S
    last = (clock.origin_s + (size - 1) * bucket_seconds) // DAY_S
    days = np.arange(first.min(), last.max() + 1, dtype=np.int64)
    # Buckets of each zone on each of the days; none on days that its horizon does not touch.
    edge = -((clock.origin_s[:, None] - np.append(days, days[-1] + 1)[None, :] * DAY_S) // bucket_seconds)
    before = np.clip(edge, 0, size[:, None])
    many = before[:, 1:] - before[:, :-1]
    life = life_of(ctx, keys, days)
    own = np.append(0, np.cumsum(size[zone]))
    cell = np.arange(own[-1], dtype=np.int64) + np.repeat(start.astype(np.int64) - own[:-1], size[zone])
    lived = factor[cell] * np.repeat(life.ravel(), many[zone].ravel())
    return LivedFactors(own[:-1].astype(np.uint64), lived)

"""Payments that recur: which part of a key's online demand they are, and in which hours of the night.

begin(pair)    = hour at which the merchant's batch begins, drawn with its clock
batch(hour)    = spread(hour - begin), the same on every day of the week
recurs(key)    = share of its trade, of the demand that edges serve
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.join import look_up
from sim.recipes.supplied import replaced
from sim.segments.intensity_5a.keys import HOURS
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Measurement, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

BATCH_HOURS_NEEDS = Needs(config=("recurring_payments_5A",))
RECURRING_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "merchant_supplied_1A": ROW_LEVEL},
    config=("realism_gates_5A", "recurring_payments_5A"),
)

_BITS = 8
_HOUR_BITS = 12  # finer units for hours: truncation of 168 of them must not show in a week
_PERMILLE = 1e-3


class RecurringCounts(Counters):
    """Card-not-present demand of generated merchants, what of it recurs, and what recurs by day."""

    remote = Scalar()
    remote_squares = Scalar()
    recurring = Scalar()
    by_day = Scalar()


@dataclass(frozen=True)
class Recurring:
    """What recurs of some keys.

    Attributes:
        share: float64, keys: of the demand that edges serve.
        batch: float64, (keys, 168): share of it in each hour of the week; rows sum to 1 within rounding.
    """

    share: Array
    batch: Array


def batch_hours(ctx: Context, uniform: Array) -> Array:
    """Hour of the day at which each batch begins (uint8), of a number in (0, 1)."""
    upper = np.cumsum(np.array(ctx.params.recurring_payments_5A.begins_weights, dtype=np.float64))
    hour = np.searchsorted(upper, uniform * upper[-1], side="right")
    begin: Array = np.minimum(hour, len(upper) - 1).astype(np.uint8)
    return begin


def recurring_of(ctx: Context, keys: Frame, clocks: Frame) -> Recurring:
    """What recurs of keys.

    Args:
        ctx: Context.
        keys: Rows of `merchant_zone_profile_5A`.
        clocks: The row of `s6_merchant_clocks_5A` of each key.
    """
    law = ctx.params.recurring_payments_5A
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id", "law_mcc"))
    permille = np.zeros(1 << 16, dtype=np.float64)
    for mcc, value in law.mccs.items():
        permille[int(mcc)] = value
    mcc = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    share = permille[mcc[look_up(merchants.merchant_id, keys.merchant_id)]] * _PERMILLE
    spread = np.array(law.spread_weights, dtype=np.float64)
    since = np.arange(HOURS)[None, :] % 24 - clocks.batch_hour.astype(np.int64)[:, None]
    inside = (since >= 0) & (since < len(spread))
    weight = spread[np.clip(since, 0, len(spread) - 1)] / (int(sum(law.spread_weights)) * 7.0)
    return Recurring(share, np.where(inside, weight, 0.0))


def count_recurring(ctx: PartitionContext, keys: Frame, rate: Array, recurring: Array) -> None:
    """Add what the checks need of the keys of whole merchants.

    Args:
        ctx: Context of 5A.S3.
        keys: Rows of `merchant_zone_profile_5A`.
        rate: float64, (keys, 168): arrivals an hour.
        recurring: float64, (keys, 168): part of them that recurs.
    """
    law = ctx.params.realism_gates_5A.recurring
    hour = np.arange(HOURS) % 24
    by_day = (hour < law["from"]) | (hour >= law.to)
    ctx.count(RecurringCounts.by_day, int((recurring[:, by_day] > 0.0).sum()))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id",)).merchant_id
    rows = np.flatnonzero(~np.isin(keys.merchant_id, given))
    remote = np.where(keys.channel_group == ctx.code("channel", "card_not_present"), 1.0, keys.virtual_share)
    volume = fixed_point((keys.weekly_volume_expected * remote)[rows], _BITS).astype(np.int64)
    merchant = np.unique(keys.merchant_id[rows], return_inverse=True)[1]
    weekly = np.zeros(int(merchant.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(weekly, merchant, volume)
    ctx.count(RecurringCounts.remote, int(weekly.sum()))
    # In whole arrivals: squares of 2**-8 would pass 63 bits.
    ctx.count(RecurringCounts.remote_squares, int(((weekly >> _BITS).astype(object) ** 2).sum()))
    ctx.count(
        RecurringCounts.recurring,
        int(fixed_point((rate * recurring)[rows], _BITS + _HOUR_BITS).sum(dtype=np.uint64)),
    )


def recurring_checks(ctx: Context, totals: Totals) -> list[Check]:
    """What recurs is charged by night; how much of card-not-present demand it is."""
    seen, gates = RecurringCounts(totals), ctx.params.realism_gates_5A
    law, remote = gates.recurring, seen.remote / 2.0**_BITS
    share = _share(seen)
    # Merchants are of trades that recur or not: a share of volumes v has at most the variance
    # p (1 - p) sum(v^2) / sum(v)^2.
    error = 0.0
    if remote > 0.0:
        one = seen.remote_squares / remote**2
        error = gates.false_alarm_sigma * (law.high * (1.0 - law.high) * min(1.0, one)) ** 0.5
    bounds = [max(0.0, law.low - error), min(1.0, law.high + error)]
    return [
        Check(
            "recurring payments by night",
            seen.by_day == 0,
            seen.by_day,
            0,
            f"hours of keys outside {law['from']} to {law.to} h local time",
        ),
        Check(
            "share of recurring payments",
            remote == 0.0 or bounds[0] <= share <= bounds[1],
            share,
            bounds,
            "of generated merchants' card-not-present demand, within the band and the sampling error",
        ),
    ]


def recurring_measure(totals: Totals) -> Measurement:
    """Share of card-not-present demand that recurs."""
    share = _share(RecurringCounts(totals))
    return Measurement("recurring share", share, "share", "of generated merchants' card-not-present demand")


def _share(seen: RecurringCounts) -> float:
    return seen.recurring / 2.0**_HOUR_BITS / max(1, seen.remote)

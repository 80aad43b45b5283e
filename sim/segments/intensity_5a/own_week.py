"""The week of each key: its class's shape on the merchant's own clock, masked to opening hours.

    hour(h)     = mean over the hour's minutes of floor + first peak + peak_ratio x later peaks,
                  each at its minute + phase
    sites(h)    = hour(h) x weight of the day x open part of the hour, over the sum of these
    people(h)   = hour(h) x weight of the day, over the sum of these
    edges(h)    = (1 - recurs) x people(h) + recurs x batch(h)
    share(h)    = (1 - virtual_share) x sites(h) + virtual_share x edges(h)

Sums over hours are of whole numbers, so a key's week is the same whatever keys are computed with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.segments.intensity_5a.keys import HOURS, KEYS_NEEDS, weekend_rule_of_country
from sim.segments.intensity_5a.recurring import RECURRING_NEEDS, Recurring
from sim.segments.intensity_5a.s2_shapes import (
    BITS,
    DAY_MINUTES,
    MINUTE_PROFILE_NEEDS,
    day_weights,
    minute_profile,
)
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

OWN_WEEK_NEEDS = Needs(
    config=("demand_classes_5A", "demand_policy_5A"), uses=(KEYS_NEEDS, MINUTE_PROFILE_NEEDS, RECURRING_NEEDS)
)

_WEIGHT_BITS = 36


@dataclass(frozen=True)
class OwnWeeks:
    """Weeks of some keys.

    Attributes:
        share: float64, (keys, 168): share of the week's demand in each hour.
        virtual: float64, (keys, 168): part of that which edges serve.
        recurring: float64, (keys, 168): part of that which recurs; edges serve it.
    """

    share: Array
    virtual: Array
    recurring: Array


@dataclass(frozen=True)
class Profiles:
    """Days of every class and channel by the minute an hour begins, on the class's own clock.

    Attributes:
        first: float64, (classes x channels, 1440): sum over 60 minutes of floor and first peak, in 2**-44.
        later: float64, likewise: of the later peaks.
        day: float64, (classes, rules, 7): weight of each day.
    """

    first: Array
    later: Array
    day: Array


def profiles_of(ctx: Context) -> Profiles:
    """Profiles of all classes from config."""
    classes, rules = ctx.params.demand_classes_5A.classes, ctx.params.demand_policy_5A.weekend_rules
    names, channels = ctx.vocabulary("demand_class"), ctx.vocabulary("channel")
    shapes = [classes[label].shape[channel] for label in names for channel in channels]
    first = [minute_profile(ctx, shape.floor, shape.peaks[:1]) for shape in shapes]
    later = [minute_profile(ctx, 0.0, shape.peaks[1:]) for shape in shapes]
    day = [
        [day_weights(classes[label], rules[rule]) for rule in ctx.vocabulary("weekend_rule")]
        for label in names
    ]
    return Profiles(_hours(first), _hours(later), np.array(day, dtype=np.float64))


def own_weeks(
    ctx: Context,
    keys: Frame,
    profiles: Profiles,
    clocks: Frame,
    open_slots: Array,
    recurring: Recurring,
) -> OwnWeeks:
    """Weeks of keys.

    Args:
        ctx: Context.
        keys: Rows of `merchant_zone_profile_5A`.
        profiles: Of all classes.
        clocks: The row of `s6_merchant_clocks_5A` of each key.
        open_slots: int64, (keys, 168): open five-minute slots of each hour, at most 12.
        recurring: What recurs of each key.
    """
    shape = keys.demand_class.astype(np.int64) * len(ctx.vocabulary("channel")) + keys.channel_group
    begin = np.arange(24, dtype=np.int64)[None, :] * 60 - clocks.phase_minutes.astype(np.int64)[:, None]
    at = (shape[:, None], begin % DAY_MINUTES)
    hour = profiles.first[at] + clocks.peak_ratio[:, None] * profiles.later[at]
    rule = weekend_rule_of_country(ctx)[keys.legal_country_iso]
    day = profiles.day[keys.demand_class, rule]
    value = (day[:, :, None] * (hour * np.float64(2.0**-BITS / 60.0))[:, None, :]).reshape(-1, HOURS)
    edges = fixed_point(value, _WEIGHT_BITS)
    sites = edges * open_slots.astype(np.uint64)
    share = keys.virtual_share[:, None]
    batch = recurring.share[:, None] * recurring.batch
    virtual = share * ((1.0 - recurring.share[:, None]) * _shares(edges) + batch)
    both = (1.0 - share) * _shares(sites) + virtual
    whole = np.where(both > 0.0, both, 1.0)
    return OwnWeeks(both, virtual / whole, share * batch / whole)


def mean_minute(share: Array) -> Array:
    """Mean local minute of the day at which each key sells, days from 4 h to 4 h: float64, n.

    Hours count with their middle; `share` is float64, (n, 168).
    """
    minute = ((np.arange(HOURS) % 24 - 4) % 24 + 4) * 60.0 + 30.0
    units = fixed_point(share, _WEIGHT_BITS) * minute.astype(np.uint64)
    whole: Array = fixed_point(share, _WEIGHT_BITS).sum(axis=1)
    mean: Array = units.sum(axis=1).astype(np.float64) / np.maximum(whole, np.uint64(1)).astype(np.float64)
    return mean


def _shares(weight: Array) -> Array:
    """Each row's whole numbers as shares of their sum; zeros where that is 0."""
    total = np.maximum(weight.sum(axis=1, dtype=np.uint64), np.uint64(1))
    shares: Array = weight.astype(np.float64) / total.astype(np.float64)[:, None]
    return shares


def _hours(minutes: list[Array]) -> Array:
    """Sums of 60 minutes from each minute on, round the clock: float64, exact."""
    value = np.array(minutes, dtype=np.uint64)
    before = np.cumsum(
        np.concatenate([np.zeros((len(value), 1), dtype=np.uint64), value, value], axis=1), axis=1
    )
    sums: Array = (before[:, 60 : DAY_MINUTES + 60] - before[:, :DAY_MINUTES]).astype(np.float64)
    return sums

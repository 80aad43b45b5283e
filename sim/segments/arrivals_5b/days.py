"""Noise by local day: its levels, their standard deviations, their paths, and a key's factor of a day.

log factor = world + country + country and class + metro + merchant + outlets, less half the sum of their
variances, so that its mean is 1. Who shares a level shares its value; a merchant's outlets average out.
Draws are addressed by the date and what the level is of, so other merchants or dates move none of them.
Metros and merchants have Ornstein-Uhlenbeck paths that begin in equilibrium on the first day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import Horizon
from sim.segments.arrivals_5b.fields import decay
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DAYS_NEEDS = Needs(config=("arrival_lgcp_config_5B",), kernels=("exp_map",))

LEVELS = ("world", "country", "country_class", "metro", "merchant", "outlet", "zone")


@dataclass(frozen=True)
class Sigmas:
    """Standard deviation of each level, those of a scenario's band; `outlet` is that of one outlet.

    Attributes:
        metro_phi, merchant_phi: Autocorrelation from one day to the next.
    """

    world: float
    country: float
    country_class: float
    metro: float
    merchant: float
    outlet: float
    zone: float
    metro_phi: float
    merchant_phi: float

    def of_outlets(self, outlets: Array) -> Array:
        """Standard deviation of the mean of so many outlets: float64."""
        found: Array = np.float64(self.outlet) / np.sqrt(outlets.astype(np.float64))
        return found

    def variance(self, outlets: Array) -> Array:
        """Variance of the log factor of merchants with so many outlets, without their zones: float64."""
        shared = (self.world, self.country, self.country_class, self.metro, self.merchant)
        own = self.of_outlets(outlets)
        found: Array = np.float64(sum(sigma * sigma for sigma in shared)) + own * own
        return found


def sigmas_of(ctx: Context, band: int) -> Sigmas:
    """The levels of a scenario band, by its code."""
    policy = ctx.params.arrival_lgcp_config_5B.days
    factor = float(policy.band[ctx.vocabulary("scenario_band")[band]])
    length = np.array([policy.merchant_length_days], dtype=np.float64)
    levels = {name: factor * float(policy[name]) for name in LEVELS}
    return Sigmas(
        **levels,
        metro_phi=float(policy.metro_correlation),
        merchant_phi=float(decay(ctx, length, 1.0)[0]),
    )


def local_days(horizon: Horizon) -> Array:
    """Every local day that a horizon touches somewhere, in days since 1970: int32."""
    return np.arange(horizon.first_day - 1, horizon.first_day + horizon.days + 1, dtype=np.int32)


def civil(days: Array) -> Array:
    """Days as field `civil_day` of addresses: modulo 2**63."""
    found: Array = days.astype(np.int64).astype(np.uint64) & np.uint64(2**63 - 1)
    return found


def path(normal: Array, sigma: float, phi: float) -> Array:
    """Ornstein-Uhlenbeck paths of one standard deviation from their normals: float64 (paths, days)."""
    z = np.empty_like(normal)
    z[:, 0] = sigma * normal[:, 0]
    fresh = sigma * float(np.sqrt(np.float64(1.0 - phi * phi)))
    for day in range(1, normal.shape[1]):
        z[:, day] = phi * z[:, day - 1] + fresh * normal[:, day]
    return z


@dataclass(frozen=True)
class Days:
    """Values of every level: (paths, days).

    Attributes:
        pairs: Country and class of each row of `country`, packed, ascending.
        country: World, country and class together.
        metros: uint32, ascending.
        metro: Their weather.
        merchants: uint64, ascending.
        merchant: Merchant and outlets together.
        zones: Merchant and tzid of each row of `gamma`, in order.
        gamma: Factors of zones.
    """

    pairs: Array
    country: Array
    metros: Array
    metro: Array
    merchants: Array
    merchant: Array
    zones: Frame
    gamma: Array


def zones_of(keys: Frame) -> Frame:
    """Merchant and tzid of the keys of merchants with several time zones, each once, in order."""
    order = np.lexsort((keys.tzid, keys.merchant_id))
    merchant, tzid = keys.merchant_id[order], keys.tzid[order]
    head = np.ones(len(order), dtype=np.bool_)
    head[1:] = (merchant[1:] != merchant[:-1]) | (tzid[1:] != tzid[:-1])
    merchant, tzid = merchant[head], tzid[head]
    several = np.zeros(len(merchant), dtype=np.bool_)
    same = merchant[1:] == merchant[:-1]
    several[1:] |= same
    several[:-1] |= same
    return Frame({"merchant_id": merchant[several], "tzid": tzid[several]})


def day_factors(ctx: Context, keys: Frame, pair: Array, volume: Array, days: Days, sigmas: Sigmas) -> Array:
    """Factor of each key on each local day: float64 (keys, days), mean 1.

    Args:
        ctx: Context.
        keys: Rows of s1_grouping_5B: whole merchants.
        pair: Country and class of each key, packed as in `days.pairs`.
        volume: float64: weekly volume of each key, by which zones weigh in their merchant.
        days: Values of the levels.
        sigmas: Their standard deviations.
    """
    z = days.country[np.searchsorted(days.pairs, pair)]
    z = z + days.metro[np.searchsorted(days.metros, keys.metro_id)]
    z = z + days.merchant[np.searchsorted(days.merchants, keys.merchant_id)]
    z -= (0.5 * sigmas.variance(keys.outlets))[:, None]
    factor: Array = ctx.kernels.exp_map(x=z.ravel()).reshape(z.shape)
    return factor * _shifts(keys, volume, days)


def _shifts(keys: Frame, volume: Array, days: Days) -> Array:
    """Factor by which a day moves demand between the zones of a merchant: float64 (keys, days).

    gamma over its volume-weighted mean: the merchant's demand of a date is what it was. Weights and gammas
    are whole numbers, so the mean does not depend on the order of keys.
    """
    shift = np.ones((len(keys), days.country.shape[1]))
    own = np.flatnonzero(np.isin(keys.merchant_id, days.zones.merchant_id))
    if len(own) == 0:
        return shift
    merchant = keys.merchant_id[own]
    gamma = days.gamma[_zone_row(days.zones, merchant, keys.tzid[own])]
    starts = np.flatnonzero(np.append(True, merchant[1:] != merchant[:-1]))
    size = np.diff(np.append(starts, len(own)))
    most = np.repeat(np.maximum.reduceat(volume[own], starts), size)
    # 20 bits of the largest key's volume, 28 of a gamma below 64, 8 of the number of keys: below 2**63.
    weight = np.floor(volume[own] / most * np.float64(1 << 20)).astype(np.uint64)
    whole = np.floor(gamma * np.float64(1 << 22)).astype(np.uint64)
    total = np.add.reduceat(whole * weight[:, None], starts, axis=0).astype(np.float64)
    mean = total / (np.add.reduceat(weight, starts).astype(np.float64) * np.float64(1 << 22))[:, None]
    shift[own] = gamma / np.repeat(mean, size, axis=0)
    return shift


def _zone_row(zones: Frame, merchant: Array, tzid: Array) -> Array:
    """Row of `zones` of each merchant and tzid: int64."""
    known = np.unique(zones.merchant_id)

    def code(who: Array, where: Array) -> Array:
        return (np.searchsorted(known, who).astype(np.int64) << 16) | where

    found: Array = np.searchsorted(code(zones.merchant_id, zones.tzid), code(merchant, tzid))
    return found

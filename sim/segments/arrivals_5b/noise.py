"""Noise on the demand of some keys, as kernel `cell_intensity` takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import Horizon
from sim.segments.arrivals_5b.days import DAYS_NEEDS, Days, day_factors, sigmas_of, zones_of
from sim.segments.arrivals_5b.fields import FIELDS_NEEDS, Paths, group_paths
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

FIELD, COUNTRY, METRO = "s2_latent_field_5B", "s2_country_day_5B", "s2_metro_day_5B"
MERCHANT, ZONE = "s2_merchant_day_5B", "s2_zone_day_5B"

NOISE_NEEDS = Needs(reads={"merchant_zone_profile_5A": ROW_LEVEL}, uses=(DAYS_NEEDS, FIELDS_NEEDS))
PUBLISHED_NOISE_NEEDS = Needs(
    reads={
        FIELD: ROW_LEVEL,
        COUNTRY: ROW_LEVEL,
        METRO: ROW_LEVEL,
        MERCHANT: ROW_LEVEL,
        ZONE: ROW_LEVEL,
        "s1_grouping_5B": ROW_LEVEL,
    },
    uses=(NOISE_NEEDS,),
)


@dataclass(frozen=True)
class Noise:
    """Factors bucket by bucket (`field`) and day by day (`slow`), and which of them a key has.

    Attributes:
        field: float64: paths of a factor a bucket.
        field_row: uint64, one a key: first row of its path.
        slow: float64: a path of a factor a local day for each key.
        slow_row: uint64, one a key: row of its first day.
    """

    field: Array
    field_row: Array
    slow: Array
    slow_row: Array


def pair_of(keys: Frame) -> Array:
    """Each key's country and class in one int64."""
    return (keys.legal_country_iso.astype(np.int64) << 16) | keys.demand_class


def noise_of(
    ctx: Context, keys: Frame, rows: tuple[int, int], field: tuple[Paths, Array, Array], days: Days
) -> Noise:
    """Noise of keys from their paths.

    Args:
        ctx: Context.
        keys: Rows of s1_grouping_5B.
        rows: Which rows these are.
        field: Paths of groups, their values (paths x buckets), and the path of each key.
        days: Values of the levels of a day.
    """
    paths, z, of_key = field
    buckets = z.shape[1]
    volume = ctx.load(
        "merchant_zone_profile_5A", rows=rows, columns=("weekly_volume_expected",)
    ).weekly_volume_expected
    sigmas = sigmas_of(ctx, int(keys.scenario_band[0]) if len(keys) else 0)
    factors = day_factors(ctx, keys, pair_of(keys), volume, days, sigmas)
    width = np.uint64(factors.shape[1])
    return Noise(
        paths.factor(ctx, z.ravel(), buckets),
        of_key.astype(np.uint64) * np.uint64(buckets),
        factors.ravel(),
        np.arange(len(keys), dtype=np.uint64) * width,
    )


def published_noise(
    ctx: Context, scenario: str, keys: Frame, rows: tuple[int, int], horizon: Horizon
) -> Noise:
    """Noise of the keys in a row range of s1_grouping_5B, from what 5B.S2 published."""
    group, head, of_key = np.unique(keys.group_id, return_index=True, return_inverse=True)
    paths = group_paths(ctx, keys.take(head), horizon.bucket_seconds / 3600)
    z = ctx.load(FIELD, scenario=scenario, columns=("latent_z",)).latent_z.reshape(-1, horizon.buckets)
    days = _published_days(ctx, scenario, keys, rows, horizon.days + 2)
    return noise_of(ctx, keys, rows, (paths, z[group.astype(np.int64)], of_key), days)


def _published_days(ctx: Context, scenario: str, keys: Frame, rows: tuple[int, int], days: int) -> Days:
    every = ctx.load("s1_grouping_5B", scenario=scenario, columns=("merchant_id", "tzid"))
    country, metro = (ctx.load(name, scenario=scenario) for name in (COUNTRY, METRO))
    heads = country.take(np.arange(0, len(country), days))
    starts = run_starts(every.merchant_id)
    first, stop = (int(row) for row in np.searchsorted(starts, rows))
    merchant = ctx.load(MERCHANT, scenario=scenario, rows=(first * days, stop * days))
    zones = zones_of(keys)
    all_zones = zones_of(every)
    low = int(np.searchsorted(all_zones.merchant_id, keys.merchant_id[0])) if len(keys) else 0
    gamma = ctx.load(
        ZONE, scenario=scenario, rows=(low * days, (low + len(zones)) * days), columns=("gamma",)
    )
    return Days(
        pair_of(heads),
        (country.world_z + country.country_z + country.class_z).reshape(-1, days),
        metro.metro_id[::days],
        metro.latent_z.reshape(-1, days),
        merchant.merchant_id[::days],
        (merchant.merchant_z + merchant.outlet_z).reshape(-1, days),
        zones,
        gamma.gamma.reshape(-1, days),
    )

"""Noise on the demand of some keys, as kernel `cell_intensity` takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.arrivals_5b.fields import FIELDS_NEEDS, Paths, group_paths, shock_paths
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

FIELD, SHOCK = "s2_latent_field_5B", "s2_country_shock_5B"

PUBLISHED_NOISE_NEEDS = Needs(
    reads={FIELD: ROW_LEVEL, SHOCK: ROW_LEVEL, "s1_grouping_5B": ROW_LEVEL}, uses=(FIELDS_NEEDS,)
)


@dataclass(frozen=True)
class Noise:
    """Factors bucket by bucket (`field`) and step by step (`slow`), and which of them a key has.

    Attributes:
        field: float64: paths of a factor a bucket.
        field_row: uint64, one a key: first row of its path.
        slow: float64: paths of a factor a step.
        slow_row: uint64, one a key: row of its step 0.
        step: uint32, time zones x buckets: step in each bucket.
    """

    field: Array
    field_row: Array
    slow: Array
    slow_row: Array
    step: Array


def pair_of(keys: Frame) -> Array:
    """Each key's country and class in one int64."""
    return (keys.legal_country_iso.astype(np.int64) << 16) | keys.demand_class


def published_noise(
    ctx: Context, scenario: str, keys: Frame, zones: int, buckets: int, hours: float
) -> Noise:
    """Noise of keys from the published paths.

    Args:
        ctx: Context.
        scenario: Scenario.
        keys: Rows of s1_grouping_5B.
        zones: Time zones of the keys' maps.
        buckets: Buckets of the horizon.
        hours: Length of a bucket.
    """
    field_of, field_head, field_of_key = np.unique(keys.group_id, return_index=True, return_inverse=True)
    pairs = np.unique(pair_of(ctx.load("s1_grouping_5B", scenario=scenario)))
    shock_of, shock_head, shock_of_key = np.unique(pair_of(keys), return_index=True, return_inverse=True)
    field, shock = (
        group_paths(ctx, keys.take(field_head), hours),
        shock_paths(ctx, keys.take(shock_head), hours),
    )
    places = (field_of.astype(np.int64), np.searchsorted(pairs, shock_of))
    z = tuple(
        ctx.load(name, scenario=scenario, columns=("latent_z",)).latent_z.reshape(-1, buckets)[place].ravel()
        for name, place in zip((FIELD, SHOCK), places, strict=True)
    )
    return noise_of(ctx, (field, shock), z, (field_of_key, shock_of_key), zones, buckets)


def noise_of(
    ctx: Context,
    paths: tuple[Paths, Paths],
    z: tuple[Array, ...],
    of_key: tuple[Array, Array],
    zones: int,
    buckets: int,
) -> Noise:
    """Noise from paths of both families, their values, and which path of each a key has."""
    width = np.uint64(buckets)
    return Noise(
        paths[0].factor(ctx, z[0], buckets),
        of_key[0].astype(np.uint64) * width,
        paths[1].factor(ctx, z[1], buckets),
        of_key[1].astype(np.uint64) * width,
        np.tile(np.arange(buckets, dtype=np.uint32), zones),
    )

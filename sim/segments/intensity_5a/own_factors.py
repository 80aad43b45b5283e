"""Factors on each key's own week over the horizon: the calendar's, and how an hour falls on its buckets."""

from __future__ import annotations

import numpy as np

from sim.recipes.horizon import Horizon
from sim.recipes.local_calendar import HOUR_S, LocalCalendar
from sim.recipes.opening import OPENING_NEEDS, opening_in
from sim.segments.intensity_5a.factors import FactorCells
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

OWN_FACTORS_NEEDS = Needs(uses=(OPENING_NEEDS,))

_EPOCH_HOURS = 72  # 1970-01-01 was a Thursday; weeks begin on Monday


def own_factors(
    ctx: PartitionContext,
    keys: Frame,
    clock: LocalCalendar,
    horizon: Horizon,
    cells: FactorCells,
    offset: Array,
) -> Array:
    """Factor on each key's baseline in each of its local buckets: float64, by `offset`.

    Args:
        ctx: Context of 5A.S5.
        keys: Rows of `merchant_zone_profile_5A`.
        clock: Local calendar of their zones.
        horizon: The horizon.
        cells: The calendar's factors of their combinations.
        offset: uint64, keys + 1: local buckets of each key.
    """
    size: Array = np.diff(offset.astype(np.int64))
    key = np.repeat(np.arange(len(keys)), size)
    cell = np.arange(len(key)) - offset.astype(np.int64)[key]
    factor: Array = ctx.on_host(cells.factor)[cells.offset[cells.combination].astype(np.int64)[key] + cell]
    if horizon.bucket_seconds == HOUR_S:
        return factor
    opening = opening_in(ctx, keys.merchant_id)
    row = opening.row_of(keys.merchant_id, keys.legal_country_iso)
    within = opening.within_hours(row, horizon.bucket_seconds)
    within[keys.virtual_share >= 1.0] = 1.0
    bucket = clock.origin_s[clock.zone_of(keys.tzid)][key] // horizon.bucket_seconds + cell
    monday = _EPOCH_HOURS * (HOUR_S // horizon.bucket_seconds)
    factor *= within[key, (bucket + monday) % within.shape[1]]
    return factor

"""The ordinary week of some keys, as 5A.S3 published it, on buckets."""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.local_calendar import HOUR_S, WEEK_HOURS
from sim.recipes.opening import OPENING_NEEDS, opening_in
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

BASELINE, PROFILE = "merchant_zone_baseline_local_5A", "merchant_zone_profile_5A"
BASELINE_NEEDS = Needs(reads={BASELINE: ROW_LEVEL, PROFILE: ROW_LEVEL}, uses=(OPENING_NEEDS,))

_HOURS = int(WEEK_HOURS)
_KEY = ("merchant_id", "legal_country_iso", "tzid", "channel_group")


def weeks_of(ctx: Context, keys: Frame, rows: tuple[int, int], bucket_seconds: int) -> Array:
    """Arrivals an hour of each key in each bucket of an ordinary local week, Monday 0 h first.

    Buckets of less than an hour share the hour's demand by the slots in which the merchant's sites are open.

    Args:
        ctx: Context.
        keys: Rows of a table with the keys of `merchant_zone_profile_5A`, in its order.
        rows: Which rows these are: half-open.
        bucket_seconds: 900, 1800 or 3600.

    Returns:
        float64, keys x 168 x buckets of an hour, flat.

    Raises:
        ValidationError: `<state>.BASELINE_NOT_DENSE`: an hour of a key is not there.
    """
    first, stop = (row * _HOURS for row in rows)
    baseline = ctx.load(BASELINE, rows=(first, stop), columns=(*_KEY, "hour_of_week", "lambda_local_base"))
    heads = baseline.take(np.arange(0, len(baseline), _HOURS)).select(*_KEY)
    dense = len(baseline) == stop - first and bool(
        (baseline.hour_of_week.reshape(-1, _HOURS) == np.arange(_HOURS)).all()
    )
    if not dense or any(not np.array_equal(keys[name], heads[name]) for name in _KEY):
        refuse(
            ctx,
            "BASELINE_NOT_DENSE",
            "5A's baseline does not hold every hour of the week of every key of its profile",
            found=f"{len(baseline)} rows, {len(heads)} keys from row {first}",
            expected=f"{_HOURS} rows for each key of merchant_zone_profile_5A, in order",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 5A.S3",
            error=ValidationError,
        )
    base: Array = baseline.lambda_local_base
    if bucket_seconds == HOUR_S:
        return base
    opening = opening_in(ctx, keys.merchant_id)
    within = opening.within_hours(opening.row_of(keys.merchant_id, keys.legal_country_iso), bucket_seconds)
    online = ctx.load(PROFILE, rows=rows, columns=("virtual_share",)).virtual_share >= 1.0
    within[online] = 1.0
    fine: Array = np.repeat(base, HOUR_S // bucket_seconds) * within.ravel()
    return fine

"""What the law of activity expects of its rows: moments of a lognormal that is cut at a bound."""

from __future__ import annotations

import numpy as np

from sim.segments.flows_6b.s1_behaviour.law import BEHAVIOUR_LAW_NEEDS, ORDINARY, tilts
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

EXPECTED_ACTIVITY_NEEDS = Needs(
    config=("behaviour_prior_6B",),
    kernels=("exp_map", "log_map", "normal_cdf_map"),
    uses=(BEHAVIOUR_LAW_NEEDS,),
)


def expected_activity(ctx: Context, active: Array) -> tuple[int, int]:
    """Mean and standard deviation of the sum of `activity_q`, in its units.

    Of X = t exp(s Z - s^2 / 2), cut at c, with k = (ln(c / t) + s^2 / 2) / s: the mean is
    t P(k - s) + c (1 - P(k)), the second moment t^2 exp(s^2) P(k - 2 s) + c^2 (1 - P(k)).

    Args:
        ctx: Context.
        active: int64, segments x income bands: parties who pay.
    """
    law, tilt, count = ctx.params.behaviour_prior_6B.activity, tilts(ctx).ravel(), active.ravel()
    sigma, most = float(law.sigma), float(law.most)
    if sigma == 0.0:
        mean = np.minimum(tilt, most)
        second = mean * mean
    else:
        variance = sigma * sigma
        cut = (ctx.kernels.log_map(x=most / tilt) + 0.5 * variance) / sigma
        beyond = 1.0 - ctx.kernels.normal_cdf_map(z=cut)
        spread = ctx.kernels.exp_map(x=np.array([variance], dtype=np.float64))[0]
        mean = tilt * ctx.kernels.normal_cdf_map(z=cut - sigma) + most * beyond
        second = tilt * tilt * spread * ctx.kernels.normal_cdf_map(z=cut - 2.0 * sigma) + most * most * beyond
    # Half a unit is what rounding down takes of a party.
    units = np.floor(np.float64(ORDINARY) * mean * count - 0.5 * count).astype(np.int64)
    squares = np.floor(np.maximum(second - mean * mean, 0.0) * count * np.float64(ORDINARY)).astype(np.int64)
    deviation = (int(squares.sum()) * ORDINARY) ** 0.5
    return int(units.sum()), int(deviation)

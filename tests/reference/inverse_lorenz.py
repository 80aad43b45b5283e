"""Share of members who make a share of the visits."""

import math

from tests.reference._detmath import det_exp, det_log
from tests.reference._errors import RowError

WIDEST = 60.0


def inverse_lorenz(shape, most, steps, points):
    share = []
    for k, (a, cut) in enumerate(zip(shape, most, strict=True)):
        if not (0.015625 <= a <= 64.0 and 0.0 < cut <= 1e300):
            raise RowError(k, "OUT_OF_RANGE")
        step = det_exp(det_log(WIDEST) * a) / steps
        values = [det_exp(det_log((i + 0.5) * step) / a) for i in range(steps)]
        weights = [det_exp(-g) for g in values]
        mores = [weight * min(g / a, cut) for g, weight in zip(values, weights, strict=True)]
        members, visits = 0.0, 0.0
        for weight, more in zip(weights, mores, strict=True):
            members += weight
            visits += more
        below, made, row = 0.0, 0.0, []
        for weight, more in zip(weights, mores, strict=True):
            while len(row) < points and made + more >= visits * len(row) / points:
                inside = (visits * len(row) / points - made) / more if more > 0.0 else 0.0
                found = math.floor((below + inside * weight) / members * 4294967296.0)
                row.append(min(found, 2**32 - 1))
            below += weight
            made += more
        share += row + [2**32 - 1] * (points + 1 - len(row))
    return share

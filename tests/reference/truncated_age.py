"""The age a word stands for: a constant rate of beginnings that thin out, else all at once, else a lognormal
cut off at the greatest age; by inversion.
"""

import math

from tests.reference._detmath import (
    det_exp,
    det_expm1,
    det_log,
    det_log1p,
    det_normal_cdf,
    det_normal_quantile,
)
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52


def truncated_age(x, most, law, rate, thinning, at_once, mu, sigma):
    age = []
    for row, (word, end, at) in enumerate(zip(x, most, law, strict=True)):
        if not 0.0 < end < math.inf:
            raise RowError(row, "MOST_OUT_OF_RANGE")
        if at >= len(rate):
            raise RowError(row, "ROW_OUT_OF_RANGE")
        begin, thin, bound, middle, spread = rate[at], thinning[at], at_once[at], mu[at], sigma[at]
        right = 0.0 <= begin <= thin and 0.0 < thin < math.inf and 0.0 <= bound < 1.0
        if not (right and math.isfinite(middle) and 0.0 < spread < math.inf):
            raise RowError(row, "LAW_OUT_OF_RANGE")
        recent = begin / thin * -det_expm1(-(thin * end))
        u = open52(word)
        if u < recent:
            age.append(min(-det_log1p(-(u / (begin / thin))) / thin, end))
            continue
        v = (u - recent) / (1.0 - recent)
        if v < bound:
            age.append(end)
            continue
        place = (v - bound) / (1.0 - bound) * det_normal_cdf((det_log(end) - middle) / spread)
        age.append(min(det_exp(middle + spread * det_normal_quantile(place)), end) if place > 0.0 else end)
    return age

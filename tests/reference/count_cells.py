"""The counts of `draw_counts`, a key's buckets in turn, and their sums by day in whole numbers."""

import math

from tests.reference._errors import RowError
from tests.reference.draw_counts import draw_counts


def halves(value):
    whole = math.floor(min(value, 2.0**72) * 2.0**16)
    return [whole >> 32, whole & 0xFFFFFFFF]


def law_of(mu, kappa):
    """Variance, variance of the squared deviation, third moment, by the twins' operations in order."""
    inverse = 1.0 / kappa if kappa > 0.0 else 0.0
    variance = mu + mu * mu * inverse
    spread = variance * variance * (2.0 + 6.0 * inverse) + variance
    return variance, spread, variance * (1.0 + 2.0 * mu * inverse)


def count_cells(key, c0, c1, kappa, first, stride, mean, demand, part_mean, largest, day):
    total = len(mean)
    if day == 0 or len(c0) % day or not len(c0) or len(c1) * len(c0) != total:
        raise RowError(0, "WRONG_LENGTH")
    if not 0.0 < part_mean <= 512.0:
        raise RowError(0, "PART_MEAN_OUT_OF_RANGE")
    if not largest < math.inf:
        raise RowError(0, "MEAN_NOT_FINITE")
    count, peak, sums = [None] * total, [], []
    for k, shape in enumerate(kappa):
        for begin in range(0, len(c0), day):
            i = len(peak)
            if first[k] + (len(c0) - 1) * stride[k] >= total:
                raise RowError(i, "OUT_OF_RANGE")
            if not math.isfinite(shape) or 0.0 < shape < 2.0**-64:
                raise RowError(i, "KAPPA_OUT_OF_RANGE")
            figures, top = [0] * 17, 0.0
            for t in range(begin, begin + day):
                row = first[k] + t * stride[k]
                mu, count[row] = mean[row], 0
                if not 0.0 <= demand[row] < 2.0**43:
                    raise RowError(i, "MEAN_NOT_FINITE")
                figures[16] += math.floor(demand[row] * 2.0**20)
                if mu == 0.0:
                    continue
                if not 0.0 < mu < math.inf:
                    raise RowError(i, "MEAN_NOT_FINITE")
                top = max(top, mu)
                if mu > largest:
                    continue
                if shape > 0.0 and mu > shape * 2.0**24:
                    raise RowError(i, "KAPPA_OUT_OF_RANGE")
                try:
                    (n,), (draws,) = draw_counts(key, [c0[t]], [c1[k]], [mu], [shape], part_mean, 0)
                except RowError:
                    raise RowError(i, "COUNT_OVERFLOW") from None
                count[row] = n
                variance, spread, third = law_of(mu, shape)
                squared = (n - mu) * (n - mu)
                own = [n, int(n > 0), 1, draws, (draws + 1) // 2, math.floor(mu * 2.0**20)]
                for value in (mu, variance, squared, spread, third):
                    own += halves(value)
                figures = [a + b for a, b in zip(figures, [*own, 0], strict=True)]
            peak.append(top)
            sums += figures
    return count, peak, sums

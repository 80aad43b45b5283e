"""Counts as sums of inversions, one open uniform each."""

import math

from tests.reference._counts import invert_count
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52
from tests.reference.philox_block import draw


def refusal(mu, kappa, part_mean, zero_truncated):
    if not 0.0 <= mu < math.inf:
        return "MEAN_NOT_FINITE"
    if not math.isfinite(kappa):
        return "KAPPA_NOT_FINITE"
    if not 0.0 < part_mean <= 512.0:
        return "PART_MEAN_OUT_OF_RANGE"
    if zero_truncated and mu > part_mean:
        return "TRUNCATED_TOO_LARGE"
    if kappa > 0.0 and mu > kappa * 2.0**24:
        return "KAPPA_TOO_SMALL"
    if max(mu, mu / part_mean) >= 2**32 - 1:
        return "COUNT_OVERFLOW"
    return None


def draw_counts(key, c0, c1, mu, kappa, part_mean, zero_truncated):
    counts, draws = [], []
    for row, (low, high, mean, shape) in enumerate(zip(c0, c1, mu, kappa, strict=True)):
        refused = refusal(mean, shape, part_mean, zero_truncated)
        if refused:
            raise RowError(row, refused)
        parts = 0
        if mean > 0.0:
            parts = max(1, int(mean / part_mean))
            parts += parts * part_mean < mean
        count = sum(
            invert_count(open52(draw(key, low, high, d)), mean / parts, shape / parts, zero_truncated)
            for d in range(parts)
        )
        if count >= 2**32 - 1:
            raise RowError(row, "COUNT_OVERFLOW")
        counts.append(count)
        draws.append(parts)
    return counts, draws

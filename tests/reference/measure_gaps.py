"""Times between purchases of each party."""

import math
from itertools import pairwise

from tests.reference._detmath import det_log
from tests.reference._errors import RowError


def measure_gaps(first, ts_us, counted, brief_us):
    parties = len(first) - 1
    for i in range(parties):
        outside = (i == 0 and first[0] != 0) or (i + 1 == parties and first[-1] != len(ts_us))
        if outside or not first[i] <= first[i + 1] <= len(ts_us):
            raise RowError(i, "BAD_OFFSET")
        own = ts_us[first[i] : first[i + 1]]
        if any(b < a for a, b in pairwise(own)):
            raise RowError(i, "TIME_FALLS")
    found = [_party(first[i], first[i + 1], ts_us, counted, brief_us) for i in range(parties)]
    return tuple(zip(*found, strict=True)) if found else ([],) * 4


def _party(begin, end, ts_us, counted, brief_us):
    times = [ts_us[r] for r in range(begin, end) if counted[r]]
    real = [b - a for a, b in pairwise(times)]
    brief = sum(gap < brief_us for gap in real)
    gaps = [max(gap, 1) for gap in real]
    n = len(gaps)
    if n < 2 or min(gaps) == max(gaps):
        return n, brief, 0, 0
    mean, logs, total = sum(gaps) / n, [det_log(float(gap)) for gap in gaps], 0.0
    for log in logs:
        total += log
    centre = total / n
    spread, square, product, before = 0.0, 0.0, 0.0, 0.0
    for gap, log in zip(gaps, logs, strict=True):
        spread += (gap - mean) * (gap - mean)
        now = log - centre
        square += now * now
        product += now * before
        before = now
    cv = math.floor(math.sqrt(spread / n) / mean * 1000000.0)
    return n, brief, min(cv, 2**32 - 1), math.floor(product / square * 1000000.0)

"""The local row that each UTC bucket falls in."""

from tests.reference._errors import RowError


def utc_surface(offset, rate, map_start, local, buckets):
    bucket, rate_utc = [], []
    for i, first in enumerate(map_start):
        if offset[i + 1] < offset[i] or offset[i + 1] > len(rate) or first + buckets > len(local):
            raise RowError(i, "OUT_OF_RANGE")
        own = rate[offset[i] : offset[i + 1]]
        for j in range(buckets):
            if local[first + j] >= len(own):
                raise RowError(i, "OUT_OF_RANGE")
            bucket.append(j)
            rate_utc.append(own[local[first + j]])
    return bucket, rate_utc

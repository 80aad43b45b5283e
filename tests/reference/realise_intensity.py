"""Row (key, bucket) times its two factors, bounded, moved to where its merchant's buckets come before its
keys.
"""

from tests.reference._errors import RowError


def realise_intensity(intensity, base, stride, field_row, shock_row, buckets, field, shock, lowest, highest):
    if buckets == 0 or len(base) * buckets != len(intensity):
        raise RowError(0, "WRONG_LENGTH")
    out = [None] * len(intensity)
    for k, (start, step, f, s) in enumerate(zip(base, stride, field_row, shock_row, strict=True)):
        if start + (buckets - 1) * step >= len(out) or f + buckets > len(field) or s + buckets > len(shock):
            raise RowError(k, "OUT_OF_RANGE")
        for t in range(buckets):
            factor = min(max(field[f + t] * shock[s + t], lowest), highest)
            out[start + t * step] = (intensity[k * buckets + t] * factor, k, t)
    return tuple([row[part] for row in out] for part in range(3))

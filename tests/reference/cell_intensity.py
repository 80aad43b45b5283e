"""Base of the hour shown x hours x factor of the local bucket x bounded product of two paths,
moved to where a merchant's buckets come before its keys.
"""

from tests.reference._errors import RowError


def cell_intensity(
    base, base_start, map_start, hour, local, step, factor_start, factor, hours, week,
    field_row, slow_row, field, slow, lowest, highest, first, stride, buckets,
):  # fmt: skip
    total, maps = len(first) * buckets, min(len(hour), len(local), len(step))
    if buckets == 0:
        raise RowError(0, "WRONG_LENGTH")
    mean = [None] * total
    for k in range(len(first)):
        if (
            first[k] + (buckets - 1) * stride[k] >= total
            or base_start[k] + week > len(base)
            or map_start[k] + buckets > maps
            or field_row[k] + buckets > len(field)
        ):
            raise RowError(k, "OUT_OF_RANGE")
        for t in range(buckets):
            row = map_start[k] + t
            cell, now = factor_start[k] + local[row], slow_row[k] + step[row]
            if hour[row] >= week or cell >= len(factor) or now >= len(slow):
                raise RowError(k, "OUT_OF_RANGE")
            noise = min(max(field[field_row[k] + t] * slow[now], lowest), highest)
            demand = base[base_start[k] + hour[row]] * hours * factor[cell]
            mean[first[k] + t * stride[k]] = demand * noise
    return (mean,)

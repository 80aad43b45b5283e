"""volume x shape x hours x factor, row by row."""

from tests.reference._errors import RowError


def local_surface(
    offset, volume, shape_start, grid_start, factor_start, shape, hour, times, factor, hours, week
):
    if offset[0] != 0:
        raise RowError(0, "BAD_OFFSET")
    bucket, multiplicity, rate = [], [], []
    for i, weekly in enumerate(volume):
        if offset[i + 1] < offset[i] or offset[i + 1] > offset[-1]:
            raise RowError(i, "BAD_OFFSET")
        size = offset[i + 1] - offset[i]
        if (
            grid_start[i] + size > len(hour)
            or factor_start[i] + size > len(factor)
            or shape_start[i] + week > len(shape)
        ):
            raise RowError(i, "OUT_OF_RANGE")
        for j in range(size):
            slot = hour[grid_start[i] + j]
            if slot >= week:
                raise RowError(i, "OUT_OF_RANGE")
            bucket.append(j)
            multiplicity.append(times[grid_start[i] + j])
            rate.append(weekly * shape[shape_start[i] + slot] * hours * factor[factor_start[i] + j])
    return bucket, multiplicity, rate

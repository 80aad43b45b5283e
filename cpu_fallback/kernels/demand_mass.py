# contract: demand_mass - one iteration a key; sums below 2**63 for 2**12 full rows.
# twin: gpu_kernels/kernels/demand_mass.cu
from cpu_fallback.device import device, kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("demand_mass")


@device
def within(first, size, total):
    """Whether rows first .. first + size - 1 exist; written so that no sum can wrap."""
    return size <= total and first <= total - size


@kernel
def demand_mass(
    base, base_start, grid_start, grid_size, map_start, factor_start, hour, times, local, utc_hour,
    factor, hours, parts, buckets, local_mass, utc_mass, error,
):  # fmt: skip
    keys = length(base_start)
    width = u64(buckets)
    if length(local_mass) != keys * u64(168) or length(utc_mass) != keys * u64(168):
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    wide = u64(168) * u64(parts)
    grids = min(length(hour), length(times))
    maps = min(length(local), length(utc_hour))
    for i in rows(base_start):
        out = i * u64(168)
        for h in range(u64(168)):
            local_mass[out + h] = u64(0)
            utc_mass[out + h] = u64(0)
        week = base_start[i]
        size = grid_size[i]
        grid = grid_start[i]
        cells = factor_start[i]
        if (
            not within(week, wide, length(base))
            or not within(grid, size, grids)
            or not within(cells, size, length(factor))
            or not within(map_start[i], width, maps)
        ):
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        for j in range(size):
            slot = u64(hour[grid + j])
            if slot >= wide:
                report(error, i, ERRORS.OUT_OF_RANGE)
                break
            value = base[week + slot] * hours * factor[cells + j]
            if not (value >= 0.0 and value < 2147483648.0):
                report(error, i, ERRORS.RATE_OUT_OF_RANGE)
                break
            at = out + slot // u64(parts)
            local_mass[at] = local_mass[at] + u64(times[grid + j]) * u64(value * 1048576.0)
        for t in range(width):
            cell = u64(local[map_start[i] + t])
            label = u64(utc_hour[map_start[i] + t])
            if cell >= size or label >= u64(168):
                report(error, i, ERRORS.OUT_OF_RANGE)
                break
            slot = u64(hour[grid + cell])
            if slot >= wide:
                report(error, i, ERRORS.OUT_OF_RANGE)
                break
            value = base[week + slot] * hours * factor[cells + cell]
            if not (value >= 0.0 and value < 2147483648.0):
                report(error, i, ERRORS.RATE_OUT_OF_RANGE)
                break
            at = out + label
            utc_mass[at] = utc_mass[at] + u64(value * 1048576.0)

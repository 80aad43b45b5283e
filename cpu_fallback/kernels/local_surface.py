# contract: local_surface - one iteration a key (CUDA: a row); bounds checked.
# twin: gpu_kernels/kernels/local_surface.cu
from cpu_fallback.device import i32, kernel, length, report, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("local_surface")


@kernel
def local_surface(
    offset,
    volume,
    shape_start,
    grid_start,
    factor_start,
    shape,
    hour,
    times,
    factor,
    hours,
    week,
    bucket,
    multiplicity,
    rate,
    error,
):
    keys = length(volume)
    if offset[u64(0)] != u64(0) or offset[keys] != length(rate):
        report(error, 0, ERRORS.BAD_OFFSET)
        return
    for i in range(keys):
        begin = offset[i]
        size = offset[i + u64(1)] - begin
        if offset[i + u64(1)] < begin or offset[i + u64(1)] > length(rate):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        grid = grid_start[i]
        cells = factor_start[i]
        base = shape_start[i]
        if (
            size > length(hour)
            or grid > length(hour) - size
            or size > length(factor)
            or cells > length(factor) - size
            or u64(week) > length(shape)
            or base > length(shape) - u64(week)
        ):
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        for j in range(size):
            slot = u64(hour[grid + j])
            if slot >= u64(week):
                report(error, i, ERRORS.OUT_OF_RANGE)
                slot = u64(0)
            row = begin + j
            bucket[row] = i32(j)
            multiplicity[row] = times[grid + j]
            rate[row] = volume[i] * shape[base + slot] * hours * factor[cells + j]

# contract: utc_surface - one iteration a key (CUDA: a row); bounds checked.
# twin: gpu_kernels/kernels/utc_surface.cu
from cpu_fallback.device import kernel, length, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("utc_surface")


@kernel
def utc_surface(offset, rate, map_start, local, buckets, bucket, rate_utc, error):
    width = u64(buckets)
    if length(map_start) * width != length(rate_utc):
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    for i in rows(map_start):
        first = map_start[i]
        begin = offset[i]
        size = offset[i + u64(1)] - begin
        if (
            offset[i + u64(1)] < begin
            or offset[i + u64(1)] > length(rate)
            or width > length(local)
            or first > length(local) - width
        ):
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        for j in range(width):
            source = u64(local[first + j])
            if source >= size:
                report(error, i, ERRORS.OUT_OF_RANGE)
                continue
            row = i * width + j
            bucket[row] = u32(j)
            rate_utc[row] = rate[begin + source]

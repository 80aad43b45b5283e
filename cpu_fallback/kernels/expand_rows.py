# contract: expand_rows - one iteration an input row (CUDA: an output row); bounds checked.
# twin: gpu_kernels/kernels/expand_rows.cu
from cpu_fallback.device import kernel, length, report, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("expand_rows")


@kernel
def expand_rows(offset, row, rank, error):
    m = length(row)
    sources = length(offset) - u64(1)
    if offset[u64(0)] != u64(0) or offset[sources] != m:
        report(error, 0, ERRORS.BAD_OFFSET)
        return
    for i in range(sources):
        first = offset[i]
        stop = offset[i + u64(1)]
        if stop < first or stop > m:
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        for j in range(first, stop):
            row[j] = u32(i)
            rank[j] = u32(j - first)

# contract: alias_pick - one iteration a pick; cannot overflow: mulhi(x, size) < size.
# twin: gpu_kernels/kernels/alias_pick.cu
from cpu_fallback.device import kernel, length, mul128, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("alias_pick")


@kernel
def alias_pick(x, start, size, threshold, alias, slot, error):
    total = length(threshold)
    for i in rows(slot):
        wide = u64(size[i])
        if wide == u64(0) or wide > total or start[i] > total - wide:
            report(error, i, ERRORS.EMPTY_TABLE if wide == u64(0) else ERRORS.TABLE_OUT_OF_RANGE)
            slot[i] = u32(0)
            continue
        high, fraction = mul128(x[i], wide)
        row = start[i] + high
        slot[i] = u32(high) if fraction < threshold[row] else alias[row]

# contract: hour_mass - one iteration a key; sums below 2**63 for 2**12 full rows.
# twin: gpu_kernels/kernels/hour_mass.cu
from cpu_fallback.device import kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("hour_mass")


@kernel
def hour_mass(offset, rate, label_start, hour, times, mass, error):
    keys = length(label_start)
    if offset[u64(0)] != u64(0) or offset[keys] != length(rate) or length(mass) != keys * u64(168):
        report(error, 0, ERRORS.BAD_OFFSET)
        return
    for i in rows(label_start):
        first = i * u64(168)
        for h in range(u64(168)):
            mass[first + h] = u64(0)
        begin = offset[i]
        size = offset[i + u64(1)] - begin
        label = label_start[i]
        if offset[i + u64(1)] < begin or offset[i + u64(1)] > length(rate):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        if size > length(hour) or label > length(hour) - size:
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        for j in range(size):
            slot = u64(hour[label + j])
            value = rate[begin + j]
            if slot >= u64(168) or not (value >= 0.0 and value < 2147483648.0):
                report(error, i, ERRORS.OUT_OF_RANGE if slot >= u64(168) else ERRORS.RATE_OUT_OF_RANGE)
                continue
            mass[first + slot] = mass[first + slot] + u64(times[label + j]) * u64(value * 1048576.0)

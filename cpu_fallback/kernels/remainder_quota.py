# contract: remainder_quota - one iteration a share; exact: quota <= units.
# twin: gpu_kernels/kernels/remainder_quota.cu
from cpu_fallback.device import kernel, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.wide import multiply_divide

ERRORS = errors_of("remainder_quota")


@kernel
def remainder_quota(weight, weight_total, units, quota, remainder, error):
    for i in rows(quota):
        if weight_total[i] == u64(0) or weight[i] > weight_total[i]:
            report(error, i, ERRORS.ZERO_TOTAL if weight_total[i] == u64(0) else ERRORS.WEIGHT_EXCEEDS_TOTAL)
            quota[i] = u64(0)
            remainder[i] = u64(0)
            continue
        whole, rest = multiply_divide(weight[i], units[i], weight_total[i])
        quota[i] = whole
        remainder[i] = rest

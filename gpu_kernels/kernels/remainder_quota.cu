// contract: remainder_quota - one thread a share; exact: quota <= units. twin: cpu_fallback/kernels/remainder_quota.py
#include "kernel.cuh"
#include "wide.cuh"

KERNEL void remainder_quota(IN(u64, weight), IN(u64, weight_total), IN(u64, units), OUT(u64, quota), OUT(u64, remainder), ERROR) {
    for (u64 i = first_row(); i < LENGTH(quota); i += row_stride()) {
        if (weight_total[i] == 0 || weight[i] > weight_total[i]) {
            report(error, i, weight_total[i] == 0 ? ZERO_TOTAL : WEIGHT_EXCEEDS_TOTAL);
            quota[i] = 0;
            remainder[i] = 0;
            continue;
        }
        const Quotient share = multiply_divide(weight[i], units[i], weight_total[i]);
        quota[i] = share.quotient;
        remainder[i] = share.remainder;
    }
}

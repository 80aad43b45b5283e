// contract: gated_weight - one thread a row; one word is gate and quantile; at most 2**36. twin: cpu_fallback/kernels/gated_weight.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "uniform.cuh"

constexpr f64 BELOW_ONE = 0.9999999999999999;  // 1 - 2**-53

KERNEL void gated_weight(IN(u64, x), IN(f64, idle), IN(f64, sigma), OUT(u64, weight), ERROR) {
    for (u64 i = first_row(); i < LENGTH(weight); i += row_stride()) {
        weight[i] = 1;
        const f64 gate = idle[i];
        const f64 spread = sigma[i];
        if (!(gate >= 0.0 && gate < 1.0)) {
            report(error, i, IDLE_OUT_OF_RANGE);
            continue;
        }
        if (!(spread >= 0.0 && spread <= 3.0)) {
            report(error, i, SIGMA_OUT_OF_RANGE);
            continue;
        }
        const f64 u = open52(x[i]);
        if (u <= gate) {
            continue;
        }
        // The quotient of two rounded numbers may round to 1, whose quantile is infinite.
        const f64 v = minimum((u - gate) / (1.0 - gate), BELOW_ONE);
        const f64 factor = det_exp(spread * det_normal_quantile(v) - 0.5 * spread * spread);
        const f64 units = minimum(factor, 65536.0) * 1048576.0;
        if (units >= 1.0) {
            weight[i] = (u64)units;
        }
    }
}

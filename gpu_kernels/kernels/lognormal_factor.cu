// contract: lognormal_factor - one thread a row; overflow gives inf, NaN parameters NaN. twin: cpu_fallback/kernels/lognormal_factor.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "uniform.cuh"

KERNEL void lognormal_factor(IN(u64, x), IN(f64, mu), IN(f64, sigma), OUT(f64, y)) {
    for (u64 i = first_row(); i < LENGTH(y); i += row_stride()) {
        y[i] = det_exp(mu[i] + sigma[i] * det_normal_quantile(open52(x[i])));
    }
}

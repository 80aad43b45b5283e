// contract: race_key - one thread a row; a weight that is not positive gives +inf. twin: cpu_fallback/kernels/race_key.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "uniform.cuh"

KERNEL void race_key(IN(u64, x), IN(f64, weight), OUT(f64, t)) {
    for (u64 i = first_row(); i < LENGTH(t); i += row_stride()) {
        t[i] = weight[i] > 0.0 ? -det_log(open52(x[i])) / weight[i] : INF;
    }
}

// contract: normal_quantile_map - one thread a value; total function, cannot fail. twin: cpu_fallback/kernels/normal_quantile_map.py
#include "detmath.cuh"
#include "kernel.cuh"

KERNEL void normal_quantile_map(IN(f64, u), OUT(f64, z)) {
    for (u64 i = first_row(); i < LENGTH(z); i += row_stride()) {
        z[i] = det_normal_quantile(u[i]);
    }
}

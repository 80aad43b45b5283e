// contract: normal_cdf_map - one thread a value; total function, cannot fail. twin: cpu_fallback/kernels/normal_cdf_map.py
#include "detmath.cuh"
#include "kernel.cuh"

KERNEL void normal_cdf_map(IN(f64, z), OUT(f64, p)) {
    for (u64 i = first_row(); i < LENGTH(p); i += row_stride()) {
        p[i] = det_normal_cdf(z[i]);
    }
}

// contract: exp_map - one thread a value; total function, cannot fail. twin: cpu_fallback/kernels/exp_map.py
#include "detmath.cuh"
#include "kernel.cuh"

KERNEL void exp_map(IN(f64, x), OUT(f64, y)) {
    for (u64 i = first_row(); i < LENGTH(y); i += row_stride()) {
        y[i] = det_exp(x[i]);
    }
}

// contract: open_uniform - one thread a word; exact, cannot fail. twin: cpu_fallback/kernels/open_uniform.py
#include "kernel.cuh"
#include "uniform.cuh"

KERNEL void open_uniform(IN(u64, x), OUT(f64, u)) {
    for (u64 i = first_row(); i < LENGTH(u); i += row_stride()) {
        u[i] = open52(x[i]);
    }
}

// contract: bounded_integer - one thread a word; cannot overflow: mulhi(x, bound) < bound. twin: cpu_fallback/kernels/bounded_integer.py
#include "kernel.cuh"
#include "philox.cuh"

KERNEL void bounded_integer(IN(u64, x), IN(u64, bound), OUT(u64, value), ERROR) {
    for (u64 i = first_row(); i < LENGTH(value); i += row_stride()) {
        if (bound[i] == 0) {
            report(error, i, ZERO_BOUND);
        }
        value[i] = mulhi64(x[i], bound[i]);
    }
}

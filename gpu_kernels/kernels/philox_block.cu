// contract: philox_block - one thread a counter; cannot fail: arithmetic mod 2**64. twin: cpu_fallback/kernels/philox_block.py
#include "kernel.cuh"
#include "philox.cuh"

KERNEL void philox_block(u64 key, IN(u64, c0), IN(u64, c1), OUT(u64, x0), OUT(u64, x1)) {
    for (u64 i = first_row(); i < LENGTH(x0); i += row_stride()) {
        const Words words = philox2x64(c0[i], c1[i], key);
        x0[i] = words.x0;
        x1[i] = words.x1;
    }
}

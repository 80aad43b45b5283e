// contract: entity_hash - one thread a key; cannot fail: arithmetic mod 2**64. twin: cpu_fallback/kernels/entity_hash.py
#include "kernel.cuh"
#include "philox.cuh"

KERNEL void entity_hash(u64 key, IN(u64, a), IN(u64, b), OUT(u64, h)) {
    for (u64 i = first_row(); i < LENGTH(h); i += row_stride()) {
        h[i] = philox2x64(a[i], b[i], key).x0;
    }
}

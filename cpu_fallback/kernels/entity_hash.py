# contract: entity_hash - one iteration a key; cannot fail: arithmetic mod 2**64.
# twin: gpu_kernels/kernels/entity_hash.cu
from cpu_fallback.device import kernel, rows
from cpu_fallback.philox import philox2x64_simd


@kernel
def entity_hash(key, a, b, h):
    for i in rows(h):
        h[i], _ = philox2x64_simd(a[i], b[i], key)

# contract: philox_block - one iteration a counter; cannot fail: arithmetic mod 2**64.
# twin: gpu_kernels/kernels/philox_block.cu
from cpu_fallback.device import kernel, rows
from cpu_fallback.philox import philox2x64_simd


@kernel
def philox_block(key, c0, c1, x0, x1):
    for i in rows(x0):
        a, b = philox2x64_simd(c0[i], c1[i], key)
        x0[i] = a
        x1[i] = b

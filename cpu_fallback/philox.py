"""Philox2x64-10 and 64-bit multiply-high.

The generator is from Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

Two spellings of one function: `philox2x64` multiplies with one 64x64->128 instruction and is right for loops
with branches, gathers or inner loops; `philox2x64_simd` multiplies by 32-bit halves, which LLVM can
vectorise, and is right for straight-line loop bodies (measured on AVX-512: 460 against 275 million words a
second; in a scalar loop 31 against 17 ns a block). CUDA has only the first. Loops with gathers whose rows are
many collect a `BATCH` of counters, take their words together and go on row by row: long enough for vectors,
short enough that the gathers of one batch run beside the multiplications of the one before.
"""

import numpy as np

from cpu_fallback.device import device, mul128, stack_words, u64

MULTIPLIER = np.uint64(0xD2B74407B1CE6E93)
WEYL = np.uint64(0x9E3779B97F4A7C15)
ROUNDS = np.uint64(10)
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
BATCH = np.uint64(64)
batch_words = stack_words(int(BATCH))


@device
def mulhi64(a, b):
    """High 64 bits of the product of two uint64.

    A uniform word times a bound gives a uniform integer below the bound.
    """
    high, _ = mul128(a, b)
    return high


@device
def mulhi64_simd(a, b):
    """The same from four 32x32->64 products.

    No partial sum can overflow: (2**32 - 1)**2 + 2 * (2**32 - 1) = 2**64 - 1.
    """
    a0 = a & LOW_HALF
    a1 = a >> HALF
    b0 = b & LOW_HALF
    b1 = b >> HALF
    middle = a1 * b0 + ((a0 * b0) >> HALF)
    cross = a0 * b1 + (middle & LOW_HALF)
    return a1 * b1 + (middle >> HALF) + (cross >> HALF)


@device
def philox2x64(c0, c1, key):
    """Two uniform 64-bit words for counter (c0, c1) under a 64-bit key; all uint64."""
    for _ in range(ROUNDS):
        high, low = mul128(MULTIPLIER, c0)
        c0 = high ^ key ^ c1
        c1 = low
        key = key + WEYL
    return c0, c1


@device
def philox2x64_simd(c0, c1, key):
    """The words of `philox2x64`, for loops that LLVM can vectorise."""
    for _ in range(ROUNDS):
        high = mulhi64_simd(MULTIPLIER, c0)
        low = MULTIPLIER * c0
        c0 = high ^ key ^ c1
        c1 = low
        key = key + WEYL
    return c0, c1


@device
def philox_batch(c0, c1, size, key):
    """`philox2x64` of the first `size` counters of a batch (pointers of `batch_words()`), in place."""
    for j in range(size):
        c0[j], c1[j] = philox2x64_simd(c0[j], c1[j], key)


@device
def philox_lane(c0, c1, key, draw):
    """Draw `draw` of an entity: lane `draw % 2` of block `c0 + draw // 2`."""
    x0, x1 = philox2x64(c0 + (draw >> u64(1)), c1, key)
    return x1 if draw & u64(1) else x0

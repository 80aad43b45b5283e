// Philox2x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and 64-bit multiply-high.
// Twin of cpu_fallback/philox.py (whose `_simd` spellings of the same functions a GPU has no use for).
#pragma once
#include "kernel.cuh"

constexpr u64 MULTIPLIER = 0xD2B74407B1CE6E93ULL;
constexpr u64 WEYL = 0x9E3779B97F4A7C15ULL;
constexpr u64 ROUNDS = 10;

struct Words {
    u64 x0, x1;
};

// High 64 bits of the 128-bit product: a uniform word times a bound is a uniform integer below the bound.
DEVICE u64 mulhi64(u64 a, u64 b) { return __umul64hi(a, b); }

// Two uniform 64-bit words for counter (c0, c1) under a 64-bit key.
DEVICE Words philox2x64(u64 c0, u64 c1, u64 key) {
    for (u64 round = 0; round < ROUNDS; ++round) {
        const Product product = mul128(MULTIPLIER, c0);
        c0 = product.high ^ key ^ c1;
        c1 = product.low;
        key = key + WEYL;
    }
    return {c0, c1};
}

// Draw `draw` of an entity: lane `draw % 2` of block `c0 + draw / 2`.
DEVICE u64 philox_lane(u64 c0, u64 c1, u64 key, u64 draw) {
    const Words words = philox2x64(c0 + (draw >> 1), c1, key);
    return (draw & 1) ? words.x1 : words.x0;
}

// contract: permuted_rank - one thread a number; halves have at most 32 bits, mixing is mod 2**64.
// twin: cpu_fallback/kernels/permuted_rank.py
#include "kernel.cuh"
#include "philox.cuh"

// Finaliser of SplitMix64 (Steele, Lea, Flood 2014).
DEVICE u64 mixed(u64 x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

// Bits that hold every number below size, at least 2.
DEVICE u64 width_of(u64 size) {
    u64 width = 2;
    while (width < 64 && ((size - 1) >> width) != 0) {
        width += 1;
    }
    return width;
}

// Round `number` of the network: even rounds change the high half, odd ones the low half.
DEVICE u64 round_of(u64 value, u64 number, u64 low_bits, u64 high_bits, u64 first, u64 step) {
    u64 low = value & ((1ull << low_bits) - 1);
    u64 high = value >> low_bits;
    const u64 subkey = first + number * step;
    if (number & 1) {
        low ^= mixed(high ^ subkey) & ((1ull << low_bits) - 1);
    } else {
        high ^= mixed(low ^ subkey) & ((1ull << high_bits) - 1);
    }
    return (high << low_bits) | low;
}

KERNEL void permuted_rank(u64 key, u8 inverse, IN(u64, tweak), IN(u64, size), IN(u64, rank), OUT(u64, place), ERROR) {
    for (u64 i = first_row(); i < LENGTH(place); i += row_stride()) {
        if (rank[i] >= size[i]) {
            report(error, i, RANK_BEYOND_SIZE);
            place[i] = 0;
            continue;
        }
        const Words keys = philox2x64(tweak[i], size[i], key);
        const u64 width = width_of(size[i]);
        const u64 low_bits = width >> 1;
        const u64 high_bits = width - low_bits;
        u64 value = rank[i];
        do {
            for (u64 number = 0; number < 8; ++number) {
                value = round_of(value, inverse ? 7 - number : number, low_bits, high_bits, keys.x0, keys.x1);
            }
        } while (value >= size[i]);
        place[i] = value;
    }
}

// contract: alias_build - one thread a segment; exact: weight * size is 128 bits wide. twin: cpu_fallback/kernels/alias_build.py
#include "kernel.cuh"
#include "wide.cuh"

constexpr u64 FULL = 0xFFFFFFFFFFFFFFFFULL;
constexpr u64 TOTAL_LIMIT = 1ULL << 63;
constexpr u64 SIZE_LIMIT = 1ULL << 31;

// Sum of a segment's weights, or TOTAL_LIMIT where it would reach that.
DEVICE u64 segment_total(const u64 *weight, u64 first, u64 size) {
    u64 total = 0;
    for (u64 j = first; j < first + size; ++j) {
        if (weight[j] >= TOTAL_LIMIT - total) {
            return TOTAL_LIMIT;
        }
        total += weight[j];
    }
    return total;
}

// First slot >= j whose share weight * size is below the total (light) or not (heavy); size if none.
DEVICE u64 next_slot(const u64 *weight, u64 first, u64 size, u64 total, u64 j, bool light) {
    for (; j < size; ++j) {
        const Product share = mul128(weight[first + j], size);
        if ((share.high == 0 && share.low < total) == light) {
            break;
        }
    }
    return j;
}

// Sweep light slots in order, each topped up by the current heavy slot; one that falls below the total is topped up by the next.
// A share is whole * total + part, part < total: exact, and the sweep needs no stack. Every slot is written once.
DEVICE void fill_segment(const u64 *weight, u64 first, u64 size, u64 total, u64 *threshold, u32 *alias) {
    u64 i = next_slot(weight, first, size, total, 0, true);
    u64 j = next_slot(weight, first, size, total, 0, false);
    Quotient share = multiply_divide(weight[first + j], size, total);
    while (share.quotient == 0 || i < size) {
        // A heavy slot that gave away more than its surplus is light now. Shares sum to size * total, so another heavy one exists.
        const bool drained = share.quotient == 0;
        const u64 slot = drained ? j : i;
        const u64 part = drained ? share.remainder : weight[first + i] * size;
        if (drained) {
            j = next_slot(weight, first, size, total, j + 1, false);
            share = multiply_divide(weight[first + j], size, total);
        } else {
            i = next_slot(weight, first, size, total, i + 1, true);
        }
        threshold[first + slot] = divide128(part, 0, total).quotient;
        alias[first + slot] = (u32)j;
        const u64 lacking = total - part;
        if (share.remainder >= lacking) {
            share.remainder -= lacking;
        } else {
            share.remainder += total - lacking;
            --share.quotient;
        }
    }
    while (j < size) {
        // Nothing light is left: every remaining share is exactly the total.
        threshold[first + j] = FULL;
        alias[first + j] = (u32)j;
        j = next_slot(weight, first, size, total, j + 1, false);
    }
}

KERNEL void alias_build(IN(u64, offset), IN(u64, weight), OUT(u64, threshold), OUT(u32, alias), ERROR) {
    const u64 n = LENGTH(weight);
    const u64 segments = LENGTH(offset) - 1;
    for (u64 s = first_row(); s < segments; s += row_stride()) {
        const u64 first = offset[s];
        const u64 stop = offset[s + 1];
        if (stop < first || stop > n || (s == 0 && first != 0) || (s + 1 == segments && stop != n)) {
            report(error, s, BAD_OFFSET);
            continue;
        }
        const u64 size = stop - first;
        if (size == 0) {
            continue;
        }
        u64 code = WEIGHT_TOO_LARGE;
        u64 total = 0;
        if (size < SIZE_LIMIT) {
            total = segment_total(weight, first, size);
            code = total == 0 ? ZERO_TOTAL : (total == TOTAL_LIMIT ? WEIGHT_TOO_LARGE : 0);
        }
        if (code != 0) {
            report(error, s, code);
            for (u64 j = 0; j < size; ++j) {
                threshold[first + j] = FULL;
                alias[first + j] = (u32)j;
            }
            continue;
        }
        fill_segment(weight, first, size, total, threshold, alias);
    }
}

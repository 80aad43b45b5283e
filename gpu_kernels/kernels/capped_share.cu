// contract: capped_share - one thread a group; exact: 128-bit comparisons, carried remainders. twin: cpu_fallback/kernels/capped_share.py
#include "kernel.cuh"
#include "philox.cuh"
#include "wide.cuh"

constexpr u32 OPEN = 0xFFFFFFFF;
constexpr u32 MOST = 0xFFFFFFFE;
constexpr u64 LIMIT = 1ULL << 63;

struct Rest {
    u64 units, total;
};

// Whether a * b >= c * d, exactly.
DEVICE bool at_least(u64 a, u64 b, u64 c, u64 d) {
    const Product left = mul128(a, b);
    const Product right = mul128(c, d);
    return left.high > right.high || (left.high == right.high && left.low >= right.low);
}

// Give the cap to every row whose share reaches it until none does: units left and weight of the open rows, which hold OPEN.
DEVICE Rest clip(u64 first, u64 stop, const u64 *weight, const u32 *cap, u64 units, u32 *count) {
    u64 total = 0;
    for (u64 j = first; j < stop; ++j) {
        if (weight[j] == 0 || cap[j] == 0) {
            count[j] = 0;
        } else if (weight[j] >= LIMIT - total) {
            return {units, LIMIT};
        } else {
            count[j] = OPEN;
            total += weight[j];
        }
    }
    bool again = true;
    while (again) {
        again = false;
        const u64 units_before = units;
        const u64 total_before = total;
        for (u64 j = first; j < stop; ++j) {
            const u32 most = minimum(cap[j], MOST);
            if (count[j] == OPEN && at_least(weight[j], units_before, most, total_before)) {
                count[j] = most;
                units -= most;
                total -= weight[j];
                again = true;
            }
        }
    }
    return {units, total};
}

KERNEL void capped_share(IN(u64, offset), IN(u64, weight), IN(u32, cap), IN(u64, units), IN(u64, start), OUT(u32, count), ERROR) {
    const u64 n = LENGTH(weight);
    const u64 groups = LENGTH(offset) - 1;
    for (u64 s = first_row(); s < groups; s += row_stride()) {
        const u64 first = offset[s];
        const u64 stop = offset[s + 1];
        if (stop < first || stop > n || (s == 0 && first != 0) || (s + 1 == groups && stop != n)) {
            report(error, s, BAD_OFFSET);
            continue;
        }
        const Rest rest = clip(first, stop, weight, cap, units[s], count);
        u64 code = 0;
        if (rest.total == LIMIT) {
            code = WEIGHT_TOO_LARGE;
        } else if (rest.total == 0) {
            code = rest.units > 0 ? CAPS_INFEASIBLE : 0;
        }
        if (code != 0) {
            report(error, s, code);
            for (u64 j = first; j < stop; ++j) {
                count[j] = 0;
            }
            continue;
        }
        u64 carried = mulhi64(start[s], rest.total);
        for (u64 j = first; j < stop; ++j) {
            if (count[j] == OPEN) {
                // weight <= total < 2**63: the quotient fits, and remainder plus what is carried does not wrap.
                Quotient share = multiply_divide(weight[j], rest.units, rest.total);
                carried += share.remainder;
                if (carried >= rest.total) {
                    carried -= rest.total;
                    ++share.quotient;
                }
                count[j] = (u32)share.quotient;
            }
        }
    }
}

// contract: draw_counts - one thread a cell; ceil(mu / part_mean) draws; 32-bit counts checked. twin: cpu_fallback/kernels/draw_counts.py
#include "counts.cuh"
#include "kernel.cuh"

// Error code of a cell's parameters, 0 if they can be drawn. NaN fails every comparison.
DEVICE u64 refusal(f64 mu, f64 kappa, f64 part_mean, u8 zero_truncated) {
    if (!(mu >= 0.0 && mu < INF)) {
        return MEAN_NOT_FINITE;
    }
    if (!(kappa > -INF && kappa < INF)) {
        return KAPPA_NOT_FINITE;
    }
    if (!(part_mean > 0.0 && part_mean <= 512.0)) {
        return PART_MEAN_OUT_OF_RANGE;
    }
    if (zero_truncated && mu > part_mean) {
        return TRUNCATED_TOO_LARGE;
    }
    // Far in the tail an inversion takes some 36 * mu / kappa terms: a ratio without bound would be a loop without end.
    if (kappa > 0.0 && mu > kappa * 16777216.0) {
        return KAPPA_TOO_SMALL;
    }
    // 2**32 parts or events on average: refused before the loop, which takes time in proportion to mu.
    if (mu >= 4294967295.0 || mu / part_mean >= 4294967295.0) {
        return COUNT_OVERFLOW;
    }
    return 0;
}

KERNEL void draw_counts(u64 key, IN(u64, c0), IN(u64, c1), IN(f64, mu), IN(f64, kappa), f64 part_mean, u8 zero_truncated, OUT(u32, count),
                        OUT(u32, draws), ERROR) {
    for (u64 i = first_row(); i < LENGTH(count); i += row_stride()) {
        count[i] = 0;
        draws[i] = 0;
        const u64 code = refusal(mu[i], kappa[i], part_mean, zero_truncated);
        if (code != 0) {
            report(error, i, code);
            continue;
        }
        if (mu[i] == 0.0) {
            continue;
        }
        const u64 parts = parts_of(mu[i], part_mean);
        const u64 total = draw_parts(key, c0[i], c1[i], mu[i], kappa[i], parts, zero_truncated);
        if (total >= COUNT_LIMIT) {
            report(error, i, COUNT_OVERFLOW);
            continue;
        }
        count[i] = (u32)total;
        draws[i] = (u32)parts;
    }
}

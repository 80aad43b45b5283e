// contract: count_cells - one thread a key and day; ceil(mean / part_mean) draws a cell; 32-bit counts checked.
// twin: cpu_fallback/kernels/count_cells.py
#include "counts.cuh"
#include "kernel.cuh"

constexpr u64 SUMS = 17;

// Add floor(value * 2**16), at most 2**88, in two words: 256 rows of a day fit 64 bits.
DEVICE void add_value(u64 *sums, u64 at, f64 value) {
    const f64 scaled = minimum(value, 4722366482869645213696.0) * 65536.0;
    const u64 high = (u64)(scaled * 2.3283064365386963e-10);
    sums[at] += high;
    sums[at + 1] += (u64)(scaled - (f64)high * 4294967296.0);
}

KERNEL void count_cells(u64 key, IN(u64, c0), IN(u64, c1), IN(f64, kappa), IN(u64, first), IN(u64, stride), IN(f64, mean),
                        IN(f64, demand), f64 part_mean, f64 largest, u32 day, OUT(u32, count), OUT(f64, peak), OUT(u64, sums), ERROR) {
    const u64 width = day;
    const u64 buckets = LENGTH(c0);
    const u64 total = LENGTH(count);
    const u64 days = width > 0 ? buckets / width : 0;
    if (days * width != buckets || days == 0 || LENGTH(c1) * buckets != total || LENGTH(mean) != total || LENGTH(demand) != total ||
        LENGTH(peak) != LENGTH(c1) * days || LENGTH(sums) != LENGTH(peak) * SUMS) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    if (!(part_mean > 0.0 && part_mean <= 512.0)) {
        report(error, 0, PART_MEAN_OUT_OF_RANGE);
        return;
    }
    if (!(largest < INF)) {
        report(error, 0, MEAN_NOT_FINITE);
        return;
    }
    for (u64 i = first_row(); i < LENGTH(peak); i += row_stride()) {
        const u64 k = i / days;
        const u64 begin = (i % days) * width;
        const u64 out = i * SUMS;
        for (u64 s = 0; s < SUMS; ++s) {
            sums[out + s] = 0;
        }
        peak[i] = 0.0;
        const Product reach = mul128(buckets - 1, stride[k]);
        if (first[k] >= total || reach.high != 0 || reach.low >= total - first[k]) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const f64 shape = kappa[k];
        if (!(shape > -INF && shape < INF) || (shape > 0.0 && shape < 5.421010862427522e-20)) {
            report(error, i, KAPPA_OUT_OF_RANGE);
            continue;
        }
        // Half of 2 / x is 1 / x: nvcc would spell the latter as a reciprocal.
        const f64 inverse = shape > 0.0 ? 0.5 * (2.0 / shape) : 0.0;
        const f64 steep = 2.0 + 6.0 * inverse;
        u64 top = float_bits(0.0);
        for (u64 t = begin; t < begin + width; ++t) {
            const u64 row = first[k] + t * stride[k];
            const f64 mu = mean[row];
            const f64 plain = demand[row];
            count[row] = 0;
            if (!(plain >= 0.0 && plain < 8796093022208.0)) {
                report(error, i, MEAN_NOT_FINITE);
                break;
            }
            sums[out + 16] += (u64)(plain * 1048576.0);
            if (mu == 0.0) {
                continue;
            }
            if (!(mu > 0.0 && mu < INF)) {
                report(error, i, MEAN_NOT_FINITE);
                break;
            }
            // Bits of positive numbers are in their order; nvcc would spell the comparison as max.f64.
            if (float_bits(mu) > top) {
                top = float_bits(mu);
            }
            if (mu > largest) {
                continue;
            }
            if (shape > 0.0 && mu > shape * 16777216.0) {
                report(error, i, KAPPA_OUT_OF_RANGE);
                break;
            }
            // 2**32 parts or events on average: refused before the loop, which takes time in proportion to mu.
            if (float_bits(mu) >= float_bits(4294967295.0) || mu / part_mean >= 4294967295.0) {
                report(error, i, COUNT_OVERFLOW);
                break;
            }
            const u64 parts = parts_of(mu, part_mean);
            const u64 found = draw_parts(key, c0[t], c1[k], mu, shape, parts, 0);
            if (found >= COUNT_LIMIT) {
                report(error, i, COUNT_OVERFLOW);
                break;
            }
            count[row] = (u32)found;
            sums[out] += found;
            sums[out + 1] += found > 0 ? 1 : 0;
            sums[out + 2] += 1;
            sums[out + 3] += parts;
            sums[out + 4] += (parts + 1) >> 1;
            sums[out + 5] += (u64)(mu * 1048576.0);
            const f64 variance = mu + mu * mu * inverse;
            const f64 apart = (f64)found - mu;
            add_value(sums, out + 6, mu);
            add_value(sums, out + 8, variance);
            add_value(sums, out + 10, apart * apart);
            add_value(sums, out + 12, variance * variance * steep + variance);
            add_value(sums, out + 14, variance * (1.0 + 2.0 * mu * inverse));
        }
        peak[i] = bits_float(top);
    }
}

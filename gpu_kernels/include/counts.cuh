// Poisson and NB2 counts by inversion of the exact distribution function: one uniform, one count. Twin of cpu_fallback/counts.py.
#pragma once
#include "detmath.cuh"
#include "kernel.cuh"
#include "philox.cuh"
#include "uniform.cuh"

constexpr u64 COUNT_LIMIT = 0xFFFFFFFFULL;

// Log of P(N = 0): -mu for Poisson (kappa <= 0), else -kappa * log(1 + mu / kappa) (NB2: variance mu + mu**2 / kappa).
DEVICE f64 log_zero_probability(f64 mu, f64 kappa) {
    if (kappa <= 0.0) {
        return -mu;
    }
    return -kappa * det_log1p(mu / kappa);
}

// Less than P(N = 0) as computed, for Poisson and every NB2 of mean mu >= 0: exp(-mu) exceeds its Taylor polynomial of odd degree and NB2
// has more zeros than Poisson; 1e-12 is more than all roundings together.
DEVICE f64 zero_floor(f64 mu) { return 1.0 - mu * (1.0 - mu * (0.5 - mu * 0.16666666666666666)) - 1e-12; }

// Smallest k with F(k) >= u, or with F(k | N >= 1) >= u when `zero_truncated`; at most 2**32 - 1 (the caller refuses that).
// p[k + 1] = p[k] * (base + slope * k) / (k + 1) (Panjer 1981); past the mode the sum stops once a term no longer changes it.
DEVICE u64 invert_count(f64 u, f64 mu, f64 kappa, u8 zero_truncated) {
    // Most cells of a large world expect little: their zeros need neither exp nor log.
    if (!zero_truncated && u < zero_floor(mu)) {
        return 0;
    }
    f64 base = mu;
    f64 slope = 0.0;
    if (kappa > 0.0) {
        slope = mu / (mu + kappa);
        base = kappa * slope;
    }
    const f64 log_p = log_zero_probability(mu, kappa);
    f64 p = det_exp(log_p);
    u64 k = 0;
    f64 target = u;
    if (zero_truncated) {
        target = u * -det_expm1(log_p);
        p = p * base;
        k = 1;
    }
    f64 total = p;
    while (total < target && k < COUNT_LIMIT) {
        const f64 ratio = (base + slope * (f64)k) / ((f64)k + 1.0);
        p = p * ratio;
        const f64 grown = total + p;
        if (grown == total && ratio < 1.0) {
            break;
        }
        total = grown;
        k = k + 1;
    }
    return k;
}

// Least number of parts of at most part_mean that add up to mu > 0.
DEVICE u64 parts_of(f64 mu, f64 part_mean) {
    const u64 parts = (u64)(mu / part_mean);
    return parts == 0 || (f64)parts * part_mean < mu ? parts + 1 : parts;
}

// Sum of `parts` counts of NB2(mu / parts, kappa / parts): part d reads block c0 + d // 2, lane d % 2.
DEVICE u64 draw_parts(u64 key, u64 c0, u64 c1, f64 mu, f64 kappa, u64 parts, u8 zero_truncated) {
    const f64 mean = mu / (f64)parts;
    const f64 shape = kappa / (f64)parts;
    u64 total = 0;
    Words x = {0, 0};
    for (u64 d = 0; d < parts; ++d) {
        if (d & 1) {
            x.x0 = x.x1;
        } else {
            x = philox2x64(c0 + (d >> 1), c1, key);
        }
        total += invert_count(open52(x.x0), mean, shape, zero_truncated);
    }
    return total;
}

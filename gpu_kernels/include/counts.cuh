// Poisson and NB2 counts by inversion of the exact distribution function: one uniform, one count. Twin of cpu_fallback/counts.py.
#pragma once
#include "detmath.cuh"
#include "kernel.cuh"

constexpr u64 COUNT_LIMIT = 0xFFFFFFFFULL;

// Log of P(N = 0): -mu for Poisson (kappa <= 0), else -kappa * log(1 + mu / kappa) (NB2: variance mu + mu**2 / kappa).
DEVICE f64 log_zero_probability(f64 mu, f64 kappa) {
    if (kappa <= 0.0) {
        return -mu;
    }
    return -kappa * det_log1p(mu / kappa);
}

// Smallest k with F(k) >= u, or with F(k | N >= 1) >= u when `zero_truncated`; at most 2**32 - 1 (the caller refuses that).
// p[k + 1] = p[k] * (base + slope * k) / (k + 1) (Panjer 1981); past the mode the sum stops once a term no longer changes it.
DEVICE u64 invert_count(f64 u, f64 mu, f64 kappa, u8 zero_truncated) {
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

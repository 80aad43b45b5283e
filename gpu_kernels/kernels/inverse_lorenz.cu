// contract: inverse_lorenz - one thread a law; shares are at most 2**32 - 1. twin: cpu_fallback/kernels/inverse_lorenz.py
#include "detmath.cuh"
#include "kernel.cuh"

constexpr f64 WIDEST = 60.0;

// The Gamma variable at t = g ** shape.
DEVICE f64 gamma_at(f64 t, f64 shape) { return det_exp(det_log(t) / shape); }

KERNEL void inverse_lorenz(IN(f64, shape), IN(f64, most), u32 steps, u32 points, OUT(u32, share), ERROR) {
    const u64 size = (u64)points + 1;
    if (steps == 0 || points == 0 || LENGTH(share) != LENGTH(shape) * size) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    for (u64 k = first_row(); k < LENGTH(shape); k += row_stride()) {
        const f64 a = shape[k];
        const f64 cut = most[k];
        if (!(a >= 0.015625 && a <= 64.0 && cut > 0.0 && cut <= 1e300)) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        const f64 reach = det_exp(det_log(WIDEST) * a);
        const f64 step = reach / (f64)(i64)steps;
        f64 members = 0.0, visits = 0.0;
        for (u64 i = 0; i < (u64)steps; ++i) {
            const f64 g = gamma_at(((f64)(i64)i + 0.5) * step, a);
            const f64 weight = det_exp(-g);
            members += weight;
            visits += weight * minimum(g / a, cut);
        }
        f64 below = 0.0, made = 0.0;
        u64 j = 0;
        for (u64 i = 0; i < (u64)steps; ++i) {
            const f64 g = gamma_at(((f64)(i64)i + 0.5) * step, a);
            const f64 weight = det_exp(-g);
            const f64 more = weight * minimum(g / a, cut);
            while (j < (u64)points) {
                const f64 target = visits * (f64)(i64)j / (f64)(i64)points;
                if (made + more < target) {
                    break;
                }
                const f64 inside = more > 0.0 ? (target - made) / more : 0.0;
                const f64 found = floor((below + inside * weight) / members * 4294967296.0);
                share[k * size + j] = (u32)(i64)minimum(found, 4294967295.0);
                j += 1;
            }
            below += weight;
            made += more;
        }
        while (j < size) {
            share[k * size + j] = 4294967295;
            j += 1;
        }
    }
}

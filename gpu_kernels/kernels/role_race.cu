// contract: role_race - one thread an entity; a positive double below 2 has its two top bits free. twin: cpu_fallback/kernels/role_race.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "philox.cuh"
#include "uniform.cuh"

KERNEL void role_race(u64 key, IN(u64, c0), IN(u64, c1), IN(u64, score), IN(u8, tier), OUT(u64, place), ERROR) {
    for (u64 i = first_row(); i < LENGTH(place); i += row_stride()) {
        const u64 weight = score[i];
        place[i] = 0xFFFFFFFFFFFFFFFFULL;
        if (tier[i] > 3) {
            report(error, i, TIER_OUT_OF_RANGE);
        } else if (weight > 0) {
            if (weight < 64 || weight >= 1ULL << 63) {
                report(error, i, SCORE_OUT_OF_RANGE);
            } else {
                const Words words = philox2x64(c0[i], c1[i], key);
                const f64 t = -det_log(open52(words.x0)) / (f64)weight;
                place[i] = ((u64)tier[i] << 62) | float_bits(t);
            }
        }
    }
}

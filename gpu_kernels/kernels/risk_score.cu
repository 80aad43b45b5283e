// contract: risk_score - one thread an entity; sums are exact. twin: cpu_fallback/kernels/risk_score.py
#include "kernel.cuh"

KERNEL void risk_score(i64 base, i64 least, IN(i64, weight), IN(u16, feature), OUT(u64, score), ERROR) {
    const u64 features = LENGTH(weight);
    const u64 entities = LENGTH(score);
    for (u64 i = first_row(); i < LENGTH(score); i += row_stride()) {
        if (least < 0 || LENGTH(feature) != features * entities) {
            report(error, i, least < 0 ? LEAST_NEGATIVE : WRONG_LENGTH);
            score[i] = 0;
            continue;
        }
        // Summed mod 2**64, as numba does: signed overflow is no C++.
        u64 total = (u64)base;
        for (u64 j = 0; j < features; ++j) {
            total += (u64)weight[j] * feature[j * entities + i];
        }
        score[i] = (i64)total > least ? total : (u64)least;
    }
}

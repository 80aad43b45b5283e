// contract: balance_catchments - one thread a problem; sums run in the order of places and cells.
// twin: cpu_fallback/kernels/balance_catchments.py
#include "detmath.cuh"
#include "kernel.cuh"

KERNEL void balance_catchments(IN(u64, row_first), IN(u64, col_first), IN(u64, entry_first), IN(f64, affinity), IN(f64, row_total),
                               IN(f64, col_total), u32 rounds, OUT(f64, row_factor), OUT(f64, col_factor), ERROR) {
    const u64 problems = LENGTH(row_first) - 1;
    for (u64 i = first_row(); i < problems; i += row_stride()) {
        const u64 begin = row_first[i];
        const u64 end = row_first[i + 1];
        const u64 left = col_first[i];
        const u64 right = col_first[i + 1];
        const u64 at = entry_first[i];
        const u64 stop = entry_first[i + 1];
        if (end < begin || right < left || stop < at || end > LENGTH(row_total) || right > LENGTH(col_total) || stop > LENGTH(affinity) ||
            stop - at != (end - begin) * (right - left) || (i == 0 && (begin != 0 || left != 0 || at != 0)) ||
            (i + 1 == problems && (end != LENGTH(row_total) || right != LENGTH(col_total) || stop != LENGTH(affinity)))) {
            report(error, i, BAD_OFFSET);
            continue;
        }
        const u64 wide = right - left;
        bool bad = false;
        for (u64 c = left; c < right; ++c) {
            col_factor[c] = 1.0;
        }
        for (u64 r = begin; r < end; ++r) {
            row_factor[r] = 1.0;
        }
        for (u64 step = 0; step < (u64)rounds + 1; ++step) {
            if (step > 0) {
                for (u64 c = left; c < right; ++c) {
                    f64 total = 0.0;
                    for (u64 r = begin; r < end; ++r) {
                        total += affinity[at + (r - begin) * wide + (c - left)] * row_factor[r];
                    }
                    bad = bad || !(total > 0.0 && total < INF && col_total[c] > 0.0 && col_total[c] < INF);
                    col_factor[c] = col_total[c] / total;
                }
            }
            for (u64 r = begin; r < end; ++r) {
                f64 total = 0.0;
                for (u64 c = left; c < right; ++c) {
                    total += affinity[at + (r - begin) * wide + (c - left)] * col_factor[c];
                }
                bad = bad || !(total > 0.0 && total < INF && row_total[r] > 0.0 && row_total[r] < INF);
                row_factor[r] = row_total[r] / total;
            }
        }
        if (bad) {
            report(error, i, NOT_POSITIVE);
        }
    }
}

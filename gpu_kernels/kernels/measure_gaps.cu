// contract: measure_gaps - one thread a party; gaps of a party add up to its span of time, below 2**63.
// twin: cpu_fallback/kernels/measure_gaps.py
#include "detmath.cuh"
#include "kernel.cuh"

KERNEL void measure_gaps(IN(u64, first), IN(i64, ts_us), IN(u8, counted), u64 brief_us, OUT(u32, gaps), OUT(u32, brief), OUT(u32, cv_ppm),
                         OUT(i32, lag_ppm), ERROR) {
    const u64 total = LENGTH(ts_us);
    for (u64 i = first_row(); i < LENGTH(gaps); i += row_stride()) {
        const u64 begin = first[i];
        const u64 end = first[i + 1];
        gaps[i] = brief[i] = cv_ppm[i] = 0;
        lag_ppm[i] = 0;
        if (end < begin || end > total || (i == 0 && begin != 0) || (i + 1 == LENGTH(gaps) && end != total)) {
            report(error, i, BAD_OFFSET);
            continue;
        }
        bool falls = false;
        for (u64 r = begin + 1; r < end; ++r) {
            falls = falls || ts_us[r] < ts_us[r - 1];
        }
        if (falls) {
            report(error, i, TIME_FALLS);
            continue;
        }
        u64 many = 0, few = 0, span = 0, least = 0, most = 0;
        f64 logs = 0.0;
        bool seen = false;
        i64 last = 0;
        for (u64 r = begin; r < end; ++r) {
            if (counted[r] == 0) {
                continue;
            }
            if (seen) {
                const u64 real = (u64)ts_us[r] - (u64)last;
                const u64 gap = maximum<u64>(real, 1);
                least = many == 0 ? gap : minimum(least, gap);
                most = maximum(most, gap);
                many += 1;
                span += gap;
                few += real < brief_us;
                logs += det_log((f64)(i64)gap);
            }
            seen = true;
            last = ts_us[r];
        }
        gaps[i] = (u32)many;
        brief[i] = (u32)few;
        if (many < 2 || least == most) {
            continue;
        }
        const f64 mean = (f64)(i64)span / (f64)(i64)many;
        const f64 centre = logs / (f64)(i64)many;
        f64 spread = 0.0, square = 0.0, product = 0.0, before = 0.0;
        seen = false;
        for (u64 r = begin; r < end; ++r) {
            if (counted[r] == 0) {
                continue;
            }
            if (seen) {
                const u64 gap = maximum<u64>((u64)ts_us[r] - (u64)last, 1);
                const f64 apart = (f64)(i64)gap - mean;
                spread += apart * apart;
                const f64 now = det_log((f64)(i64)gap) - centre;
                square += now * now;
                product += now * before;
                before = now;
            }
            seen = true;
            last = ts_us[r];
        }
        const f64 ratio = floor(sqrt(spread / (f64)(i64)many) / mean * 1000000.0);
        cv_ppm[i] = (u32)(i64)minimum(ratio, 4294967295.0);
        lag_ppm[i] = (i32)(i64)floor(product / square * 1000000.0);
    }
}

// contract: recount_buckets - one thread a merchant and bucket; bounds checked. twin: cpu_fallback/kernels/recount_buckets.py
#include "kernel.cuh"

constexpr u32 NO_ROW = 0xFFFFFFFF;

KERNEL void recount_buckets(IN(u64, row_offset), IN(u64, arrival_offset), IN(u64, row_merchant), IN(u32, row_bucket), IN(i16, row_country),
                            IN(i16, row_zone), IN(i16, row_channel), IN(u64, merchant), IN(u32, bucket), IN(i16, country), IN(i16, zone),
                            IN(i16, channel), OUT(u32, tally), OUT(u32, row), ERROR) {
    const u64 segments = LENGTH(row_offset) - 1;
    if (row_offset[0] != 0 || row_offset[segments] != LENGTH(tally) || arrival_offset[0] != 0 || arrival_offset[segments] != LENGTH(row)) {
        report(error, 0, BAD_OFFSET);
        return;
    }
    for (u64 s = first_row(); s < segments; s += row_stride()) {
        const u64 first = row_offset[s];
        const u64 stop = row_offset[s + 1];
        const u64 begin = arrival_offset[s];
        const u64 end = arrival_offset[s + 1];
        if (stop < first || stop > LENGTH(tally) || end < begin || end > LENGTH(row)) {
            report(error, s, BAD_OFFSET);
            continue;
        }
        for (u64 r = first; r < stop; ++r) {
            tally[r] = 0;
        }
        for (u64 i = begin; i < end; ++i) {
            row[i] = NO_ROW;
            for (u64 r = first; r < stop; ++r) {
                if (row_zone[r] == zone[i] && row_country[r] == country[i] && row_channel[r] == channel[i] && row_bucket[r] == bucket[i] &&
                    row_merchant[r] == merchant[i]) {
                    row[i] = (u32)r;
                    tally[r] = tally[r] + 1;
                    break;
                }
            }
        }
    }
}

// contract: verify_arrivals - one thread an arrival (it also reads the one before). twin: cpu_fallback/kernels/verify_arrivals.py
#include "civil.cuh"
#include "kernel.cuh"

KERNEL void verify_arrivals(u64 first_seq, IN(u64, merchant), IN(u32, bucket), IN(u32, seq), IN(i64, ts_us), IN(i16, zone),
                            IN(i16, minutes), IN(i64, bucket_start), u64 bucket_us, u64 slot_us, IN(u64, zone_offset),
                            IN(i64, transition_us), IN(i16, transition_minutes), OUT(u8, fault), OUT(u8, slot)) {
    const u64 zones = LENGTH(zone_offset) - 1;
    for (u64 i = first_row(); i < LENGTH(fault); i += row_stride()) {
        u32 bad = 1;
        slot[i] = 255;
        const u64 b = bucket[i];
        if (b < LENGTH(bucket_start) && ts_us[i] >= bucket_start[b]) {
            const u64 inside = (u64)ts_us[i] - (u64)bucket_start[b];
            if (inside < bucket_us) {
                bad = 0;
                slot[i] = slot_us == 0 ? (u8)0 : (u8)(inside / slot_us);  // numba: x // 0 is 0
            }
        }
        const u64 z = (u16)zone[i];
        // No zone's transitions go on past the end of the table.
        const u64 stop = z < zones ? minimum(zone_offset[z + 1], LENGTH(transition_us)) : 0;
        const u64 at = z < zones ? last_at_or_before(ts_us[i], zone_offset[z], stop, transition_us) : stop;
        if (at == stop || transition_minutes[at] != minutes[i]) {
            bad |= 2;
        }
        u64 wanted = 1;
        if (i == 0) {
            wanted = first_seq;
        } else {
            const u64 before = i - 1;
            if (merchant[i] == merchant[before]) {
                wanted = (u64)seq[before] + 1;
                if (ts_us[i] < ts_us[before]) {
                    bad |= 4;
                }
            } else if (merchant[i] < merchant[before]) {
                bad |= 4;
            }
        }
        if (seq[i] != wanted) {
            bad |= 8;
        }
        fault[i] = (u8)bad;
    }
}

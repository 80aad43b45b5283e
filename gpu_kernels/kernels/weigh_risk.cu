// contract: weigh_risk - one thread a party; amounts are at most 2**50, so `times` of them fit 2**82: compared by quotient.
// twin: cpu_fallback/kernels/weigh_risk.py
#include "kernel.cuh"

KERNEL void weigh_risk(IN(u64, first), IN(i16, home), IN(i64, habit), IN(i64, ts_us), IN(u32, merchant), IN(i16, country),
                       IN(i64, amount), IN(u8, sight), u32 burst, u64 burst_us, u64 jump_us, u32 times, OUT(u8, signs), ERROR) {
    const u64 total = LENGTH(signs);
    const i64 most = (i64)1 << 50;
    for (u64 p = first_row(); p < LENGTH(home); p += row_stride()) {
        const u64 begin = first[p];
        const u64 end = first[p + 1];
        if (end < begin || end > total || (p == 0 && begin != 0) || (p + 1 == LENGTH(home) && end != total)) {
            report(error, p, BAD_OFFSET);
            continue;
        }
        i64 usual = habit[p];
        if (usual < 0 || usual > most) {
            report(error, p, AMOUNT_OUT_OF_RANGE);
            usual = 0;
        }
        u64 met0 = 0, met1 = 0, met2 = 0, met3 = 0;
        i64 seen_us = -1;
        i16 seen_at = begin < end ? country[begin] : home[p];
        for (u64 r = begin; r < end; ++r) {
            signs[r] = 0;
            const i64 ts = ts_us[r];
            const i64 paid = amount[r];
            if (r > begin && ts < ts_us[r - 1]) {
                report(error, p, TIME_FALLS);
                continue;
            }
            if (paid < 0 || paid > most) {
                report(error, p, AMOUNT_OUT_OF_RANGE);
                continue;
            }
            u32 found = 0;
            if (r - begin >= burst && (u64)(ts - ts_us[r - burst]) < burst_us) {
                found |= 1;
            }
            if (sight[r] & 1) {
                if (seen_us >= 0 && country[r] != seen_at && (u64)(ts - seen_us) < jump_us) {
                    found |= 2;
                }
                seen_us = ts;
                seen_at = country[r];
            }
            if (country[r] != home[p]) {
                found |= 4;
            }
            const u64 place = (((u64)merchant[r] * 0x9E3779B1ull) & 0xFFFFFFFFull) >> 24;
            const u64 bit = (u64)1 << (place & 63);
            const u64 part = place >> 6;
            const u64 met = part == 0 ? met0 : part == 1 ? met1 : part == 2 ? met2 : met3;
            if ((met & bit) == 0 && (sight[r] & 2) == 0) {
                found |= 8;
            }
            met0 |= part == 0 ? bit : 0;
            met1 |= part == 1 ? bit : 0;
            met2 |= part == 2 ? bit : 0;
            met3 |= part > 2 ? bit : 0;
            if (sight[r] & 4) {
                found |= 16;
            }
            if (times > 0 && (u64)paid / times >= (u64)usual && paid > usual) {
                found |= 32;
            }
            usual += (paid >> 4) - (usual >> 4);
            signs[r] = (u8)found;
        }
    }
}

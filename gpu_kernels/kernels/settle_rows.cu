// contract: settle_rows - one thread a purchase; a thousand amounts of at most 2**53 fit 64 bits.
// twin: cpu_fallback/kernels/settle_rows.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "philox.cuh"
#include "uniform.cuh"

constexpr i64 DAY_US = 86400000000LL;
constexpr i64 MINUTE_US = 60000000;
constexpr i64 SECOND_US = 1000000;
constexpr u64 BATCH_US = 7200000000ULL;
constexpr f64 LONGEST = 3650.0;
constexpr i64 MOST_AMOUNT = 1LL << 53;

// A share of an amount, in steps of `grain` where one fits: at least 1 and at most all.
DEVICE u64 part_of(u64 amount, u64 permille, u64 grain) {
    const u64 step = amount * permille / 1000 / grain * grain;
    return step > 0 ? step : minimum(grain, amount);
}

KERNEL void settle_rows(u64 key, i64 first_day, u32 days, i64 end_us, IN(u64, c0), IN(u64, place), IN(i64, answered_us),
                        IN(i16, offset_minutes), IN(u8, approved), IN(u8, at_once), IN(u32, shop), IN(i64, capture), IN(u32, law),
                        IN(u32, calendar), IN(u32, batch_minute), IN(u64, grain), IN(u64, second_below), IN(u64, third_below),
                        IN(u64, reversed_below), IN(u64, partial_below), IN(u64, refund_below), IN(u64, full_below), IN(f64, delay_mu),
                        IN(f64, delay_sigma), IN(u8, open), OUT(i64, cleared_us), OUT(i64, cleared), OUT(i64, reversed_us),
                        OUT(i64, refunded_us), OUT(i64, refunded), ERROR) {
    const u64 width = days;
    const i64 begin = first_day * DAY_US;
    for (u64 i = first_row(); i < LENGTH(cleared_us); i += row_stride()) {
        cleared_us[i] = 0;
        cleared[i] = 0;
        reversed_us[i] = 0;
        refunded_us[i] = 0;
        refunded[i] = 0;
        if (approved[i] == 0) {
            continue;
        }
        const u64 s = shop[i];
        if (s >= LENGTH(law) || law[s] >= LENGTH(delay_mu)) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const u64 k = law[s];
        const u64 base = calendar[s] * width;
        const i64 shift = offset_minutes[i] * MINUTE_US;
        // From the day before the calendars on: an answer on it is cleared on a day inside.
        const i64 since = answered_us[i] + shift - begin + DAY_US;
        if (base + width > LENGTH(open) || since < 0) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const u64 minute = batch_minute[s];
        const u64 step = grain[s];
        const f64 mu = delay_mu[k];
        const f64 spread = delay_sigma[k];
        if (!(mu >= -9.0 && mu <= 9.0 && spread >= 0.0 && spread <= 4.0)) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        if (minute >= 1440 || step == 0 || capture[i] < 1 || capture[i] > MOST_AMOUNT) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        const Words first = philox2x64(c0[i], place[i], key);
        const Words second = philox2x64(c0[i] | 1, place[i], key);
        if (first.x1 < reversed_below[k]) {
            const i64 when = answered_us[i] + SECOND_US + (i64)mulhi64(second.x0, (u64)DAY_US);
            reversed_us[i] = when < end_us ? when : 0;
            continue;
        }
        const i64 within = (i64)minute * MINUTE_US + (i64)mulhi64(second.x1, BATCH_US);
        u64 day = (u64)since / (u64)DAY_US;
        i64 at = answered_us[i] + SECOND_US;
        if (at_once[i] == 0) {
            u64 left = 1;
            if (first.x0 < second_below[k]) {
                left = left + 1;
            }
            if (first.x0 < third_below[k]) {
                left = left + 1;
            }
            // After the batch has closed, a sale belongs to that of the next day.
            if ((u64)since - day * (u64)DAY_US >= minute * (u64)MINUTE_US) {
                day = day + 1;
            }
            // Column `day` of the calendars is the day after: the first one has number 1.
            while (left > 0 && day < width) {
                if (open[base + day] != 0) {
                    left = left - 1;
                }
                day = day + 1;
            }
            if (left > 0) {
                continue;
            }
            at = begin + (i64)(day - 1) * DAY_US + within - shift;
        }
        if (at >= end_us) {
            continue;
        }
        u64 taken = (u64)capture[i];
        if (first.x1 < partial_below[k]) {
            taken = part_of(taken, 400 + mulhi64(second.x0, 551), step);
        }
        cleared_us[i] = at;
        cleared[i] = (i64)taken;
        const Words third = philox2x64(c0[i] | 2, place[i], key);
        if (third.x0 >= refund_below[k]) {
            continue;
        }
        const Words fourth = philox2x64(c0[i] | 3, place[i], key);
        const f64 later = det_exp(mu + spread * det_normal_quantile(open52(third.x1)));
        const i64 ago = (i64)floor(minimum(later, LONGEST)) + 1;
        const i64 back = begin + ((i64)day - 1 + ago) * DAY_US + within - shift;
        if (back >= end_us) {
            continue;
        }
        refunded_us[i] = back;
        refunded[i] = (i64)taken;
        if (fourth.x0 >= full_below[k]) {
            refunded[i] = (i64)part_of(taken, 100 + mulhi64(fourth.x1, 801), step);
        }
    }
}

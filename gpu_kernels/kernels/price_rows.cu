// contract: price_rows - one thread a purchase; exp(36) < 2**53, so amounts and ten units fit 64 bits.
// twin: cpu_fallback/kernels/price_rows.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "money.cuh"
#include "philox.cuh"
#include "uniform.cuh"

constexpr i64 DAY_US = 86400000000LL;
constexpr u64 MILLION = 1000000;
constexpr u64 MOST_UNIT = 1ULL << 40;
constexpr u64 MOST_AMOUNT = 1ULL << 53;

KERNEL void price_rows(u64 key, u64 pair_key, u64 tip_key, i64 first_day, u32 days, IN(u64, c0), IN(u64, place), IN(i64, ts_us),
                       IN(u32, party), IN(u32, shop), IN(u8, repeats), IN(u8, present), IN(u32, account_currency), IN(u32, fee_ppm),
                       IN(u64, party_word), IN(f64, log_spend), IN(u64, merchant_id), IN(u32, currency), IN(u32, law), IN(f64, log_median),
                       IN(f64, sigma), IN(u64, most), IN(i64, change_us), IN(f64, change_log), IN(u64, tip_below), IN(u32, tip_low),
                       IN(u32, tip_spread), IN(u8, tip_later), IN(u64, hold), IN(u8, notes), IN(f64, spend_power), IN(f64, habit),
                       IN(f64, chance), IN(f64, wobble), IN(u64, under_below), IN(u64, half_under_below), IN(u64, half_below),
                       IN(u64, whole_below), IN(u64, unit), IN(u64, grain), IN(u64, note), IN(u64, rate), OUT(i64, amount),
                       OUT(i64, capture), OUT(i64, billing), ERROR) {
    const u64 width = days;
    const u64 money = LENGTH(unit);
    for (u64 i = first_row(); i < LENGTH(amount); i += row_stride()) {
        const u64 p = party[i];
        const u64 s = shop[i];
        const u64 to = account_currency[i];
        if (p >= LENGTH(party_word) || s >= LENGTH(merchant_id) || ts_us[i] < 0) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const i64 day = ts_us[i] / DAY_US;
        const u64 own = currency[s];
        const u64 k = law[s];
        const u64 column = (u64)day - (u64)first_day;
        if (own >= money || to >= money || k >= LENGTH(notes) || day < first_day || column >= width || money * width > LENGTH(rate)) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const u64 here = rate[own * width + column];
        const u64 there = rate[to * width + column];
        const u64 one = unit[own];
        const u64 step = grain[own];
        const u64 cash = note[own];
        const u64 bound = most[s];
        const u64 tips = (u64)tip_low[s] + (u64)tip_spread[s];
        const u64 fee = fee_ppm[i];
        const bool coins = one == 0 || one > MOST_UNIT || step == 0 || step > one || cash == 0 || cash > MOST_UNIT;
        const bool bounds = bound == 0 || bound > MOST_AMOUNT || hold[s] > MOST_AMOUNT || tips > 1000 || fee > MILLION;
        if (coins || bounds || here == 0 || there == 0) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        const bool again = repeats[i] != 0;
        const Words row = philox2x64(c0[i], place[i], key);
        const Words pair = philox2x64(merchant_id[s], party_word[p], pair_key);
        f64 x = log_median[s] + spend_power[k] * log_spend[p];
        if (again && ts_us[i] >= change_us[s]) {
            x = x + change_log[s];
        }
        const f64 lasting = again ? 1.0 : habit[k];
        const f64 passing = again ? wobble[k] : chance[k];
        f64 z = passing * det_normal_quantile(open52(row.x0)) + lasting * det_normal_quantile(open52(pair.x0));
        z = minimum(maximum(z, -4.0), 4.0);
        x = x + sigma[s] * z;
        if (!(x >= -700.0 && x <= 36.0)) {
            report(error, i, AMOUNT_OUT_OF_RANGE);
            continue;
        }
        const u64 value = minimum((u64)(i64)floor(det_exp(x) + 0.5), bound);
        const u64 word = again && passing == 0.0 ? pair.x1 : row.x1;
        u64 price = 0;
        if (notes[k] != 0) {
            price = whole_notes(value, cash, bound);
        } else {
            price = ended(value, word, one, step, bound, under_below[k], half_under_below[k], half_below[k], whole_below[k]);
        }
        u64 asked = price;
        u64 taken = price;
        if (hold[s] > 0) {
            asked = hold[s];
            taken = minimum(price, asked);
        } else if (present[i] != 0 && tip_below[s] > 0) {
            const Words tip = philox2x64(c0[i], place[i], tip_key);
            if (tip.x0 < tip_below[s]) {
                const u64 permille = (u64)tip_low[s] + mulhi64(tip.x1, (u64)tip_spread[s] + 1);
                taken = price + price * permille / 1000;
                // Every other guest makes the sum a whole one.
                if ((tip.x1 & 1) != 0) {
                    taken = (taken + one - 1) / one * one;
                }
                taken = maximum(taken / step * step, price);
                if (tip_later[s] == 0) {
                    asked = taken;
                }
            }
        }
        u64 billed = asked;
        if (to != own) {
            if (mul128(asked, there).high >= here) {
                report(error, i, AMOUNT_OUT_OF_RANGE);
                continue;
            }
            billed = half_even(asked, there, here);
            if (billed >= MOST_AMOUNT) {
                report(error, i, AMOUNT_OUT_OF_RANGE);
                continue;
            }
            billed = maximum(billed + half_even(billed, fee, MILLION), (u64)1);
        }
        amount[i] = (i64)asked;
        capture[i] = (i64)taken;
        billing[i] = (i64)billed;
    }
}

# contract: price_rows - one iteration a purchase; exp(36) < 2**53, so amounts and ten units fit 64 bits.
# twin: gpu_kernels/kernels/price_rows.cu
import numpy as np

from cpu_fallback.detmath import det_exp, det_normal_quantile
from cpu_fallback.device import i64, kernel, length, mul128, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.money import ended, half_even, whole_notes
from cpu_fallback.philox import mulhi64, philox2x64
from cpu_fallback.uniform import open52

ERRORS = errors_of("price_rows")

DAY_US = 86_400_000_000
MILLION = 1_000_000
MOST_UNIT = 1 << 40
MOST_AMOUNT = 1 << 53


@kernel
def price_rows(
    key, pair_key, tip_key, first_day, days, c0, place, ts_us, party, shop, repeats, present,
    account_currency, fee_ppm, party_word, log_spend, merchant_id, currency, law, log_median, sigma, most,
    change_us, change_log, tip_below, tip_low, tip_spread, tip_later, hold, notes, spend_power, habit, chance,
    wobble, under_below, half_under_below, half_below, whole_below, unit, grain, note, rate,
    amount, capture, billing, error,
):  # fmt: skip
    width = u64(days)
    for i in rows(amount):
        p, s, to = u64(party[i]), u64(shop[i]), u64(account_currency[i])
        day = ts_us[i] // i64(DAY_US) - i64(first_day)
        if p >= length(party_word) or s >= length(merchant_id) or ts_us[i] < i64(0):
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        own, k = u64(currency[s]), u64(law[s])
        money = length(unit)
        if own >= money or to >= money or k >= length(notes) or day < i64(0) or day >= i64(days):
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        if money * width > length(rate):
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        here, there = rate[own * width + u64(day)], rate[to * width + u64(day)]
        one, step, cash, bound = unit[own], grain[own], note[own], most[s]
        tips = u64(tip_low[s]) + u64(tip_spread[s])
        fee = u64(fee_ppm[i])
        wrong = one == u64(0) or one > u64(MOST_UNIT) or step == u64(0) or step > one or cash == u64(0)
        wrong = wrong or cash > u64(MOST_UNIT) or bound == u64(0) or bound > u64(MOST_AMOUNT)
        wrong = wrong or hold[s] > u64(MOST_AMOUNT) or tips > u64(1000) or fee > u64(MILLION)
        if wrong or here == u64(0) or there == u64(0):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        again = repeats[i] != 0
        x0, x1 = philox2x64(c0[i], place[i], key)
        y0, y1 = philox2x64(merchant_id[s], party_word[p], pair_key)
        x = log_median[s] + spend_power[k] * log_spend[p]
        if again and ts_us[i] >= change_us[s]:
            x = x + change_log[s]
        lasting = 1.0 if again else habit[k]
        passing = wobble[k] if again else chance[k]
        z = passing * det_normal_quantile(open52(x0)) + lasting * det_normal_quantile(open52(y0))
        z = min(max(z, -4.0), 4.0)
        x = x + sigma[s] * z
        if not (x >= -700.0 and x <= 36.0):
            report(error, i, ERRORS.AMOUNT_OUT_OF_RANGE)
            continue
        value = min(u64(i64(np.floor(det_exp(x) + 0.5))), bound)
        word = y1 if again and passing == 0.0 else x1
        if notes[k] != 0:
            price = whole_notes(value, cash, bound)
        else:
            price = ended(
                value,
                word,
                one,
                step,
                bound,
                under_below[k],
                half_under_below[k],
                half_below[k],
                whole_below[k],
            )
        asked = price
        taken = price
        if hold[s] > u64(0):
            asked = hold[s]
            taken = min(price, asked)
        elif present[i] != 0 and tip_below[s] > u64(0):
            t0, t1 = philox2x64(c0[i], place[i], tip_key)
            if t0 < tip_below[s]:
                permille = u64(tip_low[s]) + mulhi64(t1, u64(tip_spread[s]) + u64(1))
                taken = price + price * permille // u64(1000)
                # Every other guest makes the sum a whole one.
                if t1 & u64(1):
                    taken = (taken + one - u64(1)) // one * one
                taken = max(taken // step * step, price)
                if tip_later[s] == 0:
                    asked = taken
        billed = asked
        if to != own:
            high, _ = mul128(asked, there)
            if high >= here:
                report(error, i, ERRORS.AMOUNT_OUT_OF_RANGE)
                continue
            billed = half_even(asked, there, here)
            if billed >= u64(MOST_AMOUNT):
                report(error, i, ERRORS.AMOUNT_OUT_OF_RANGE)
                continue
            billed = max(billed + half_even(billed, fee, u64(MILLION)), u64(1))
        amount[i] = i64(asked)
        capture[i] = i64(taken)
        billing[i] = i64(billed)

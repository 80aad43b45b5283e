"""What a purchase costs, what is taken in the end, and what the account is billed."""

import math

from tests.reference._detmath import det_exp, det_normal_quantile
from tests.reference._errors import RowError
from tests.reference._money import ended, half_even, whole_notes
from tests.reference.open_uniform import open52
from tests.reference.philox_block import philox

DAY_US = 86_400_000_000


def price_rows(
    key, pair_key, tip_key, first_day, days, c0, place, ts_us, party, shop, repeats, present,
    account_currency, fee_ppm, party_word, log_spend, merchant_id, currency, law, log_median, sigma, most,
    change_us, change_log, tip_below, tip_low, tip_spread, tip_later, hold, notes, spend_power, habit, chance,
    wobble, under_below, half_under_below, half_below, whole_below, unit, grain, note, rate,
):  # fmt: skip
    out = []
    for i, (p, s, to) in enumerate(zip(party, shop, account_currency, strict=True)):
        if p >= len(party_word) or s >= len(merchant_id) or ts_us[i] < 0:
            raise RowError(i, "ROW_OUT_OF_RANGE")
        day, own, k = ts_us[i] // DAY_US - first_day, currency[s], law[s]
        known = own < len(unit) and to < len(unit) and k < len(notes)
        if not (known and 0 <= day < days and len(unit) * days <= len(rate)):
            raise RowError(i, "ROW_OUT_OF_RANGE")
        here, there = rate[own * days + day], rate[to * days + day]
        right = 0 < unit[own] <= 2**40 and 0 < grain[own] <= unit[own] and 0 < note[own] <= 2**40
        right = right and 0 < most[s] <= 2**53 and hold[s] <= 2**53 and tip_low[s] + tip_spread[s] <= 1000
        if not (right and fee_ppm[i] <= 10**6 and here > 0 and there > 0):
            raise RowError(i, "LAW_OUT_OF_RANGE")
        again = repeats[i] != 0
        row, pair = philox(key, (c0[i], place[i])), philox(pair_key, (merchant_id[s], party_word[p]))
        x = log_median[s] + spend_power[k] * log_spend[p]
        if again and ts_us[i] >= change_us[s]:
            x = x + change_log[s]
        lasting, passing = (1.0, wobble[k]) if again else (habit[k], chance[k])
        z = passing * det_normal_quantile(open52(row[0])) + lasting * det_normal_quantile(open52(pair[0]))
        x = x + sigma[s] * min(max(z, -4.0), 4.0)
        if not -700.0 <= x <= 36.0:
            raise RowError(i, "AMOUNT_OUT_OF_RANGE")
        value = min(math.floor(det_exp(x) + 0.5), most[s])
        word = pair[1] if again and passing == 0.0 else row[1]
        if notes[k]:
            price = whole_notes(value, note[own], most[s])
        else:
            ends = under_below[k], half_under_below[k], half_below[k], whole_below[k]
            price = ended(value, word, unit[own], grain[own], most[s], *ends)
        asked = taken = price
        if hold[s]:
            asked, taken = hold[s], min(price, hold[s])
        elif present[i]:
            whether, how = philox(tip_key, (c0[i], place[i]))
            if whether < tip_below[s]:
                permille = tip_low[s] + (how * (tip_spread[s] + 1) >> 64)
                taken = price + price * permille // 1000
                if how % 2:
                    taken = -(-taken // unit[own]) * unit[own]
                taken = max(taken // grain[own] * grain[own], price)
                asked = price if tip_later[s] else taken
        billed = asked
        if to != own:
            billed = half_even(asked, there, here)
            if asked * there >> 64 >= here or billed >= 2**53:
                raise RowError(i, "AMOUNT_OUT_OF_RANGE")
            billed = max(billed + half_even(billed, fee_ppm[i], 10**6), 1)
        out.append((asked, taken, billed))
    return tuple([item[part] for item in out] for part in range(3))

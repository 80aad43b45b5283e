"""What becomes of an approved purchase: clearing, reversal, refund, all before the end."""

import math

from tests.reference._detmath import det_exp, det_normal_quantile
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52
from tests.reference.philox_block import philox

DAY, MINUTE, SECOND, BATCH = 86_400_000_000, 60_000_000, 1_000_000, 7_200_000_000


def part_of(amount, permille, grain):
    return amount * permille // 1000 // grain * grain or min(grain, amount)


def settle_rows(
    key, first_day, days, end_us, c0, place, answered_us, offset_minutes, approved, at_once, shop, capture,
    law, calendar, batch_minute, grain, second_below, third_below, reversed_below, partial_below,
    refund_below, full_below, delay_mu, delay_sigma, open,
):  # fmt: skip
    out = [[0] * 5 for _ in c0]
    for i, (s, answer) in enumerate(zip(shop, answered_us, strict=True)):
        if not approved[i]:
            continue
        if s >= len(law) or law[s] >= len(delay_mu):
            raise RowError(i, "ROW_OUT_OF_RANGE")
        k, shift, base = law[s], offset_minutes[i] * MINUTE, calendar[s] * days
        local = answer + shift
        if base + days > len(open) or local < (first_day - 1) * DAY:
            raise RowError(i, "ROW_OUT_OF_RANGE")
        right = -9.0 <= delay_mu[k] <= 9.0 and 0.0 <= delay_sigma[k] <= 4.0
        if not (right and batch_minute[s] < 1440 and grain[s] > 0 and 1 <= capture[i] <= 2**53):
            raise RowError(i, "LAW_OUT_OF_RANGE")
        lag, fate, how, moment, again, delay, wholly, share = (
            word for block in range(4) for word in philox(key, (c0[i] | block, place[i]))
        )
        if fate < reversed_below[k]:
            at = answer + SECOND + (how * DAY >> 64)
            out[i][2] = at if at < end_us else 0
            continue
        within = batch_minute[s] * MINUTE + (moment * BATCH >> 64)
        day, at = local // DAY, answer + SECOND
        if not at_once[i]:
            wanted = 1 + (lag < second_below[k]) + (lag < third_below[k])
            closed = local % DAY >= batch_minute[s] * MINUTE
            after = [d for d in range(day + 1 + closed, first_day + days) if open[base + d - first_day]]
            if len(after) < wanted:
                continue
            day = after[wanted - 1]
            at = day * DAY + within - shift
        if at >= end_us:
            continue
        taken = capture[i]
        if fate < partial_below[k]:
            taken = part_of(taken, 400 + (how * 551 >> 64), grain[s])
        out[i][:2] = at, taken
        if again >= refund_below[k]:
            continue
        later = det_exp(delay_mu[k] + delay_sigma[k] * det_normal_quantile(open52(delay)))
        back = (day + math.floor(min(later, 3650.0)) + 1) * DAY + within - shift
        if back < end_us:
            full = wholly < full_below[k]
            out[i][3:] = back, taken if full else part_of(taken, 100 + (share * 801 >> 64), grain[s])
    return tuple([item[part] for item in out] for part in range(5))

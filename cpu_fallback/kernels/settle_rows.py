# contract: settle_rows - one iteration a purchase; a thousand amounts of at most 2**53 fit 64 bits.
# twin: gpu_kernels/kernels/settle_rows.cu
import numpy as np

from cpu_fallback.detmath import det_exp, det_normal_quantile
from cpu_fallback.device import device, i64, kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64, philox2x64
from cpu_fallback.uniform import open52

ERRORS = errors_of("settle_rows")

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
SECOND_US = 1_000_000
BATCH_US = 7_200_000_000
LONGEST = 3650.0
MOST_AMOUNT = 1 << 53


@device
def part_of(amount, permille, grain):
    """A share of an amount, in steps of `grain` where one fits: at least 1 and at most all."""
    step = amount * permille // u64(1000) // grain * grain
    return step if step > u64(0) else min(grain, amount)


@kernel
def settle_rows(
    key, first_day, days, end_us, c0, place, answered_us, offset_minutes, approved, at_once, shop, capture,
    law, calendar, batch_minute, grain, second_below, third_below, reversed_below, partial_below,
    refund_below, full_below, delay_mu, delay_sigma, open,
    cleared_us, cleared, reversed_us, refunded_us, refunded, error,
):  # fmt: skip
    width = u64(days)
    begin = i64(first_day) * i64(DAY_US)
    for i in rows(cleared_us):
        cleared_us[i], cleared[i], reversed_us[i], refunded_us[i], refunded[i] = 0, 0, 0, 0, 0
        if approved[i] == 0:
            continue
        s = u64(shop[i])
        if s >= length(law) or u64(law[s]) >= length(delay_mu):
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        k, base = u64(law[s]), u64(calendar[s]) * width
        shift = i64(offset_minutes[i]) * i64(MINUTE_US)
        # From the day before the calendars on: an answer on it is cleared on a day inside.
        since = answered_us[i] + shift - begin + i64(DAY_US)
        if base + width > length(open) or since < i64(0):
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        minute, step = u64(batch_minute[s]), grain[s]
        mu, spread = delay_mu[k], delay_sigma[k]
        if not (mu >= -9.0 and mu <= 9.0 and spread >= 0.0 and spread <= 4.0):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        if minute >= u64(1440) or step == u64(0) or capture[i] < i64(1) or capture[i] > i64(MOST_AMOUNT):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        lag, fate = philox2x64(c0[i], place[i], key)
        how, moment = philox2x64(c0[i] | u64(1), place[i], key)
        if fate < reversed_below[k]:
            at = answered_us[i] + i64(SECOND_US) + i64(mulhi64(how, u64(DAY_US)))
            reversed_us[i] = at if at < end_us else i64(0)
            continue
        within = i64(minute) * i64(MINUTE_US) + i64(mulhi64(moment, u64(BATCH_US)))
        day = u64(since) // u64(DAY_US)
        at = answered_us[i] + i64(SECOND_US)
        if at_once[i] == 0:
            left = u64(1)
            if lag < second_below[k]:
                left = left + u64(1)
            if lag < third_below[k]:
                left = left + u64(1)
            # After the batch has closed, a sale belongs to that of the next day.
            if u64(since) - day * u64(DAY_US) >= minute * u64(MINUTE_US):
                day = day + u64(1)
            # Column `day` of the calendars is the day after: the first one has number 1.
            while left > u64(0) and day < width:
                if open[base + day] != 0:
                    left = left - u64(1)
                day = day + u64(1)
            if left > u64(0):
                continue
            at = begin + i64(day - u64(1)) * i64(DAY_US) + within - shift
        if at >= end_us:
            continue
        taken = u64(capture[i])
        if fate < partial_below[k]:
            taken = part_of(taken, u64(400) + mulhi64(how, u64(551)), step)
        cleared_us[i] = at
        cleared[i] = i64(taken)
        again, delay = philox2x64(c0[i] | u64(2), place[i], key)
        if again >= refund_below[k]:
            continue
        wholly, share = philox2x64(c0[i] | u64(3), place[i], key)
        later = det_exp(mu + spread * det_normal_quantile(open52(delay)))
        ago = i64(np.floor(min(later, LONGEST))) + i64(1)
        back = begin + (i64(day) - i64(1) + ago) * i64(DAY_US) + within - shift
        if back >= end_us:
            continue
        refunded_us[i] = back
        refunded[i] = i64(taken)
        if wholly >= full_below[k]:
            refunded[i] = i64(part_of(taken, u64(100) + mulhi64(share, u64(801)), step))

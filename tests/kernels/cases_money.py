"""Cases of the kernels of money. See cases.py."""

import numpy as np

FIRST_DAY, DAYS = 20_530, 14
DAY_US = 86_400_000_000
CURRENCIES = 9
SHOPS, LAWS, PEOPLE = 61, 7, 37


def instants(numbers, n):
    """Instants of the days: the first and the last microsecond among them."""
    first, last = FIRST_DAY * DAY_US, (FIRST_DAY + DAYS) * DAY_US - 1
    at = np.uint64(first) + numbers.below(DAYS * 86_400, n) * np.uint64(1_000_000)
    return numbers.mix(at, [first, last]).astype(np.int64)


def price_rows(numbers, n):
    """Currencies without minor units and with large ones, prices from one unit to the cap, every ending,
    tips, holds, payments that recur, and equal currencies.
    """
    unit = numbers.mix(np.uint64(10) ** numbers.below(6, CURRENCIES), [1, 100, 2**40])
    grain = numbers.mix(np.maximum(unit // np.uint64(100), np.uint64(1)), [1])
    ends = np.sort(numbers.words(4 * LAWS).reshape(4, LAWS), axis=0)
    ends[:, 0] = 0
    names = ("under_below", "half_under_below", "half_below", "whole_below")
    return {
        "key": numbers.word(),
        "pair_key": numbers.word(),
        "tip_key": numbers.word(),
        "first_day": FIRST_DAY,
        "days": DAYS,
        "c0": numbers.words(n),
        "place": numbers.words(n),
        "ts_us": instants(numbers, n),
        "party": numbers.below(PEOPLE, n),
        "shop": numbers.below(SHOPS, n),
        "repeats": numbers.mix(numbers.below(2, n), [0, 255]),
        "present": numbers.mix(numbers.below(2, n), [255]),
        "account_currency": numbers.below(CURRENCIES, n),
        "fee_ppm": numbers.mix(numbers.below(30_000, n), [0, 1_000_000]),
        "party_word": numbers.words(PEOPLE),
        "log_spend": numbers.unit(PEOPLE) * 2.0 - 1.0,
        "merchant_id": numbers.words(SHOPS),
        "currency": numbers.below(CURRENCIES, SHOPS),
        "law": numbers.below(LAWS, SHOPS),
        "log_median": numbers.mix(numbers.unit(SHOPS) * 20.0 + 0.5, [-680.0, 0.0, 24.0]),
        "sigma": numbers.mix(numbers.unit(SHOPS) * 1.5, [0.0]),
        "most": numbers.mix((numbers.plain(SHOPS) >> np.uint64(24)) | np.uint64(1), [1, 7, 2**53]),
        "change_us": np.sort(instants(numbers, SHOPS)),
        "change_log": numbers.unit(SHOPS) * 0.4 - 0.1,
        "tip_below": numbers.words(SHOPS),
        "tip_low": numbers.below(150, SHOPS),
        "tip_spread": numbers.mix(numbers.below(150, SHOPS), [0, 850]),
        "tip_later": numbers.below(2, SHOPS),
        "hold": numbers.mix(numbers.below(20_000, SHOPS) * numbers.below(2, SHOPS), [0, 0, 2**40]),
        "notes": np.arange(LAWS, dtype=np.uint64) % np.uint64(3) == 1,
        "spend_power": numbers.unit(LAWS),
        "habit": numbers.mix(numbers.unit(LAWS), [0.0]),
        "chance": numbers.mix(numbers.unit(LAWS), [0.0, 1.0]),
        "wobble": numbers.mix(numbers.unit(LAWS) * 0.2, [0.0, 0.0]),
        **{name: ends[at] for at, name in enumerate(names)},
        "unit": unit,
        "grain": grain,
        "note": numbers.mix(unit * np.uint64(5), [1, 2**40]).clip(max=np.uint64(2**40)),
        # Ratios stay below 2**7, so that no amount in the account's currency is too large.
        "rate": (np.uint64(1 << 32) >> numbers.below(7, CURRENCIES * DAYS))
        + numbers.below(99, CURRENCIES * DAYS),
    }, {}


def settle_rows(numbers, n):
    """Answers before and after the batch, on the last day too; empty calendars; every fate."""
    calendars = 5
    late = np.sort(numbers.words(2 * LAWS).reshape(2, LAWS), axis=0)
    fates = np.sort(numbers.words(2 * LAWS).reshape(2, LAWS), axis=0)
    fates[0] >>= np.uint64(2)
    open_days = numbers.below(2, calendars * DAYS).reshape(calendars, DAYS)
    open_days[0] = 0
    offset = numbers.mix(numbers.below(57, n) * np.uint64(30), [0, 1680]).astype(np.int64) - 840
    return {
        "key": numbers.word(),
        "first_day": FIRST_DAY,
        "days": DAYS,
        "end_us": (FIRST_DAY + DAYS) * DAY_US,
        "c0": numbers.words(n) & np.uint64(2**64 - 256),
        "place": numbers.words(n),
        "answered_us": instants(numbers, n),
        "offset_minutes": offset.astype(np.int16),
        "approved": numbers.mix(np.ones(n, np.uint64), [0, 255]),
        "at_once": numbers.mix(np.zeros(n, np.uint64), [1]),
        "shop": numbers.below(SHOPS, n),
        "capture": numbers.mix((numbers.plain(n) >> np.uint64(44)) | np.uint64(1), [1, 99, 2**53]).astype(
            np.int64
        ),
        "law": numbers.below(LAWS, SHOPS),
        "calendar": numbers.below(calendars, SHOPS),
        "batch_minute": numbers.mix(numbers.below(1440, SHOPS), [0, 1439]),
        "grain": numbers.mix(np.ones(SHOPS, np.uint64), [100, 2**53]),
        "second_below": late[1],
        "third_below": late[0],
        "reversed_below": fates[0],
        "partial_below": fates[1],
        "refund_below": numbers.words(LAWS) | np.uint64(1 << 63),
        "full_below": numbers.words(LAWS),
        "delay_mu": numbers.mix(numbers.unit(LAWS) * 3.0 - 1.0, [-9.0, 9.0]),
        "delay_sigma": numbers.mix(numbers.unit(LAWS), [0.0, 4.0]),
        "open": open_days.ravel(),
    }, {}


CASES = {law.__name__: law for law in (price_rows, settle_rows)}
"""Case of each kernel."""

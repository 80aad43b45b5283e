"""Cases of the kernels of parties, which walk a party's purchases in time. See cases.py."""

import numpy as np

from tests.kernels.numbers_of_cases import repeat, sizes

START_US = 1_767_225_600_000_000


def walks(numbers, n):
    """Rows of parties, some of whom have none or one: offsets, party of each row, its place there."""
    first = numbers.partition(n, 60)
    party = repeat(np.arange(len(first) - 1).astype(np.uint64), sizes(first)).astype(np.int64)
    return first, party, np.arange(n, dtype=np.uint64) - first[party]


def count_favourites(numbers, n):
    first, party, place = walks(numbers, n)
    merchant = numbers.mix(numbers.below(9, n), [0, 2**32 - 1])
    packed = (merchant << np.uint64(32)) | place
    order = np.lexsort((packed, party))
    return {"first": first, "packed": packed[order], "few": 7, "many": 20}, {}


def measure_gaps(numbers, n):
    """Times that stand still, that run evenly, and gaps from microseconds to weeks."""
    first, party, _ = walks(numbers, n)
    wide = numbers.plain(n) >> (np.uint64(22) + numbers.below(42, n))
    step = np.where(party % 3 == 0, np.uint64(3_600_000_000), numbers.mix(wide, [0, 1]))
    before = np.cumsum(step) - step
    ts = (before - before[first[party].astype(np.int64)]).astype(np.int64) + START_US
    return {
        "first": first,
        "ts_us": ts,
        "counted": numbers.mix(numbers.below(2, n), [1, 255]),
        "brief_us": 3_600_000_000,
    }, {}


def weigh_risk(numbers, n):
    """Bursts, jumps between three countries, habits of nought, every sight."""
    first, party, _ = walks(numbers, n)
    step = numbers.mix(numbers.below(40_000, n) * np.uint64(1_000_000), [0, 1])
    before = np.cumsum(step) - step
    parties = len(first) - 1
    return {
        "first": first,
        "home": numbers.below(3, parties),
        "habit": numbers.mix(numbers.below(9000, parties), [0, 2**50]),
        "ts_us": (before - before[first[party].astype(np.int64)]).astype(np.int64) + START_US,
        "merchant": numbers.mix(numbers.below(300, n), [0, 2**32 - 1]),
        "country": numbers.below(3, n),
        "amount": numbers.mix(numbers.below(60_000, n), [0, 2**50]),
        "sight": numbers.mix(numbers.below(8, n), [0, 255]),
        "burst": 3,
        "burst_us": 20_000_000_000,
        "jump_us": 15_000_000_000,
        "times": 6,
    }, {}


def owned(numbers, parties, most):
    """First places of what parties own, one piece at least."""
    return np.concatenate([[0], np.cumsum(numbers.below(most, parties) + np.uint64(1))]).astype(np.uint64)


def authorise_rows(numbers, n):
    """Parties of one to three accounts and cards, that run short, that are held, that tap on and on, that
    try every other card, whose credit is paid in part, whole or not at all.
    """
    row_first, party, place = walks(numbers, n)
    parties = len(row_first) - 1
    account_first, card_first = owned(numbers, parties, 3), owned(numbers, parties, 3)
    accounts, cards = int(account_first[-1]), int(card_first[-1])
    move_first = np.concatenate([[0], np.cumsum(numbers.below(9, accounts))]).astype(np.uint64)
    moves = int(move_first[-1])
    move_of = repeat(np.arange(accounts).astype(np.uint64), sizes(move_first))
    move_day = np.sort(move_of * np.uint64(128) + numbers.below(40, moves)) - move_of * np.uint64(128)
    statement = numbers.mix(numbers.below(3, moves) // np.uint64(2), [1])
    sums = numbers.below(40_000, moves).astype(np.int64) - 16_000
    sums = numbers.mix(sums, [-(2**40), 2**40])
    shares = numbers.mix(numbers.below(1001, moves), [0, 1000]).astype(np.int64)
    holder = repeat(np.arange(parties).astype(np.uint64), sizes(card_first)).astype(np.int64)
    many = sizes(account_first)[holder].astype(np.uint64)
    mine = sizes(card_first)[party].astype(np.uint64)
    base = card_first[party]
    own = np.minimum(place, np.uint64(2000))
    answers = np.array([0, 0, 0, 0, 0, 4, 4, 5, 10, 11, 12, 12], dtype=np.uint64)
    trouble = np.zeros(n, dtype=np.uint64)
    for k in range(4):
        trouble |= answers[numbers.below(len(answers), n).astype(np.int64)] << np.uint64(8 * k)
    return {
        "row_first": row_first,
        "card_first": card_first,
        "account_first": account_first,
        "move_first": move_first,
        "move_day": move_day,
        "move": np.where(statement == np.uint64(1), shares, sums),
        "statement": statement,
        "opening": numbers.mix(numbers.below(60_000, accounts).astype(np.int64) - 8_000, [-(2**50), 2**50]),
        "credit": numbers.mix(numbers.below(9000, accounts), [0, 2**50]),
        "account": account_first[holder] + numbers.plain(cards) % many,
        "day_most": numbers.mix(numbers.below(90_000, cards), [2**50]),
        "cash_most": numbers.mix(numbers.below(20_000, cards), [0, 2**50]),
        "taps_most": numbers.mix(numbers.below(6, cards), [255]),
        "ts_us": own.astype(np.int64) * 1_800_000_000 + START_US,
        "day": own // np.uint64(48),
        "amount": numbers.mix(numbers.below(9000, n), [0, 2**50]),
        "card": base + numbers.plain(n) % mine,
        "other": base + numbers.plain(n) % mine,
        "fault": numbers.below(8, n) // np.uint64(7) * np.uint64(9),
        "trouble": trouble,
        "tries": numbers.below(4, n),
        "with_other": numbers.below(16, n),
        "way": numbers.mix(numbers.below(16, n), [0]),
        "hold_us": 9_000_000_000,
        "block_us": 90_000_000_000,
    }, {}


CASES = {law.__name__: law for law in (count_favourites, measure_gaps, weigh_risk, authorise_rows)}

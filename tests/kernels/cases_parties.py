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


CASES = {law.__name__: law for law in (count_favourites, measure_gaps)}

"""A Feistel network over the least number of bits, walked until it lands below the size."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox

WORD = 2**64


def mixed(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def permuted_rank(key, inverse, tweak, size, rank):
    return [_one(key, inverse, *row, i) for i, row in enumerate(zip(tweak, size, rank, strict=True))]


def _one(key, inverse, tweak, size, rank, row):
    if rank >= size:
        raise RowError(row, "RANK_BEYOND_SIZE")
    first, step = philox(key, (tweak, size))
    width = max(2, (size - 1).bit_length())
    low_bits = width // 2
    numbers = range(7, -1, -1) if inverse else range(8)
    while True:
        for number in numbers:
            high, low = rank >> low_bits, rank % 2**low_bits
            subkey = (first + number * step) % WORD
            if number % 2:
                low ^= mixed(high ^ subkey) % 2**low_bits
            else:
                high ^= mixed(low ^ subkey) % 2 ** (width - low_bits)
            rank = high << low_bits | low
        if rank < size:
            return rank

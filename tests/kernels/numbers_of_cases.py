"""Numbers for kernel cases: splitmix64 over a counter, in uint64 numpy operations alone.

numpy's own generators may change between its versions; these cannot, so a digest of a kernel's outputs means
the same on every machine. Doubles are built exactly from integers, or by single binary64 operations.
"""

import hashlib

import numpy as np

EDGES = (0, 1, 2, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
TINY, HUGE = 5e-324, 1.7976931348623157e308
GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIXERS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


class Numbers:
    """An endless column of numbers that belongs to a label; each call takes the next rows of it."""

    def __init__(self, label):
        self._seed = np.frombuffer(hashlib.sha256(label.encode()).digest()[:8], "<u8").astype(np.uint64)
        self._taken = 0

    def plain(self, n):
        """Uniform words (splitmix64: Steele, Lea, Flood, OOPSLA 2014)."""
        z = np.arange(self._taken + 1, self._taken + n + 1, dtype=np.uint64) * GAMMA + self._seed
        self._taken += n
        for shift, factor in MIXERS:
            z = (z ^ (z >> shift)) * factor
        return z ^ (z >> np.uint64(31))

    def mix(self, values, extremes):
        """The values with about one in eight replaced by one of the extremes."""
        dice = self.plain(len(values))
        extremes = np.array(extremes, values.dtype)
        taken = extremes[
            (((dice >> np.uint64(40)) * np.uint64(len(extremes))) >> np.uint64(24)).astype(np.int64)
        ]
        return np.where((dice & np.uint64(7)) == np.uint64(0), taken, values)

    def words(self, n):
        """Uniform words with the edge values mixed in."""
        return self.mix(self.plain(n), EDGES)

    def word(self):
        return int(self.plain(1)[0])

    def below(self, bound, n):
        """Integers below a bound of at most 2**32 (one for all, or one a row), as uint64."""
        return ((self.plain(n) >> np.uint64(32)) * np.asarray(bound).astype(np.uint64)) >> np.uint64(32)

    def unit(self, n):
        """Doubles in [0, 1), multiples of 2**-53."""
        return (self.plain(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def bits(self, n):
        """Doubles of any bit pattern: every exponent alike, NaN of every payload among them."""
        return self.plain(n).view(np.float64)

    def order(self, n):
        """A permutation of 0 .. n - 1."""
        return np.argsort(self.plain(n), kind="stable").astype(np.uint64)

    def partition(self, n, mean=8):
        """Offsets of segments that share n rows: some empty, one a quarter of all, the others of that mean;
        no row, no segment.
        """
        if n == 0:
            return np.zeros(1, np.uint64)
        cuts = np.sort(self.below(n + 1, n // mean + 1))
        cuts[cuts < np.uint64(n // 4)] = 0
        return np.concatenate([np.zeros(1, np.uint64), cuts, np.full(1, n, np.uint64)])


def offsets(counts):
    """Exclusive prefix sum of counts."""
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(counts.astype(np.uint64), dtype=np.uint64)])


def sizes(offset):
    return offset[1:] - offset[:-1]


def width(n, most=200):
    """Largest divisor of n that is at most `most`: rows in groups of equal size."""
    return max((d for d in range(1, most + 1) if n % d == 0), default=1) if n else 7


def repeat(values, counts):
    return np.repeat(values, counts.astype(np.int64))

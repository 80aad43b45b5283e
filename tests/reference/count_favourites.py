"""Purchases of each party by merchant."""

from collections import Counter
from itertools import pairwise

from tests.reference._errors import RowError


def count_favourites(first, packed, few, many):
    parties = len(first) - 1
    for i in range(parties):
        outside = (i == 0 and first[0] != 0) or (i + 1 == parties and first[-1] != len(packed))
        if outside or not first[i] <= first[i + 1] <= len(packed):
            raise RowError(i, "BAD_OFFSET")
        own = list(packed[first[i] : first[i + 1]])
        if any(b <= a for a, b in pairwise(own)):
            raise RowError(i, "NOT_ASCENDING")
    found = []
    for i in range(parties):
        own = [(x >> 32, x & (2**32 - 1)) for x in packed[first[i] : first[i + 1]]]
        met = Counter(merchant for merchant, _ in own)
        begun = {merchant: min(place for other, place in own if other == merchant) for merchant in met}
        best = sorted(met.values(), reverse=True)
        among = [sum(place < limit for place in begun.values()) for limit in (few, many)]
        found.append([len(met), *among, *(sum(best[:k]) for k in (1, 3, 5))])
    return tuple(zip(*found, strict=True)) if found else ([],) * 6

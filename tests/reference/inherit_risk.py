"""The largest factor among an entity's owners, the first owner that has it, and how many are risky."""

from tests.reference._errors import RowError

NONE = 2**32 - 1


def inherit_risk(offset, link, factor, own):
    weights, sources, counts = [], [], []
    for i, plain in enumerate(own):
        first, stop = offset[i], offset[i + 1]
        if (
            first > stop
            or stop > len(link)
            or (i == 0 and first != 0)
            or (i == len(own) - 1 and stop != len(link))
        ):
            raise RowError(i, "BAD_OFFSET")
        if plain >= 2**32:
            raise RowError(i, "WEIGHT_TOO_LARGE")
        owners = link[first:stop]
        if any(owner >= len(factor) for owner in owners):
            raise RowError(i, "LINK_OUT_OF_RANGE")
        largest = max((factor[owner] for owner in owners), default=0)
        weights.append(plain * largest // 1000 if owners else plain)
        sources.append(
            next(owner for owner in owners if factor[owner] == largest) if largest > 1000 else NONE
        )
        counts.append(sum(factor[owner] > 1000 for owner in owners))
    return weights, sources, counts

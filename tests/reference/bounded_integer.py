"""floor(x * bound / 2**64)."""

from tests.reference._errors import RowError


def bounded_integer(x, bound):
    if 0 in bound:
        raise RowError(bound.index(0), "ZERO_BOUND")
    return [word * limit // 2**64 for word, limit in zip(x, bound, strict=True)]

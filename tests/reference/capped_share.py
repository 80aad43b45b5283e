"""Caps for those whose share reaches theirs, as long as there are any;
the others by systematic sampling of what is left.
"""

from fractions import Fraction

from tests.reference._errors import RowError


def share(weight, cap, units, start, group):
    count = [0] * len(weight)
    cap = [min(most, 2**32 - 2) for most in cap]
    free = [row for row in range(len(weight)) if weight[row] > 0 and cap[row] > 0]
    if sum(weight[row] for row in free) >= 2**63:
        raise RowError(group, "WEIGHT_TOO_LARGE")
    while True:
        total = sum(weight[row] for row in free)
        full = [row for row in free if Fraction(weight[row] * units, total) >= cap[row]]
        if not full:
            break
        for row in full:
            count[row] = cap[row]
        units -= sum(cap[row] for row in full)
        free = [row for row in free if row not in full]
    if not free and units:
        raise RowError(group, "CAPS_INFEASIBLE")
    before, reached = start * total >> 64, 0
    for row in free:
        after = before + weight[row] * units
        count[row] = after // total - reached
        before, reached = after, after // total
    return count


def capped_share(offset, weight, cap, units, start):
    count = []
    for group in range(len(offset) - 1):
        first, stop = offset[group], offset[group + 1]
        if not (first == len(count) <= stop <= len(weight)) or (
            group == len(offset) - 2 and stop != len(weight)
        ):
            raise RowError(group, "BAD_OFFSET")
        count += share(weight[first:stop], cap[first:stop], units[group], start[group], group)
    return count

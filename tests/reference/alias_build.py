"""Alias tables by the sweep: light slots in order, each topped up by the current heavy slot; a drained heavy
slot by the next heavy one.
"""

from tests.reference._errors import RowError


def build(weight):
    """One table, thresholds of full slots 2**64 - 1; shares are weight * size,
    the capacity of a slot is the total.
    """
    total = sum(weight)
    share = [w * len(weight) for w in weight]
    light = [slot for slot, value in enumerate(share) if value < total]
    heavy = [slot for slot, value in enumerate(share) if value >= total]
    threshold, alias = [2**64 - 1] * len(weight), list(range(len(weight)))
    while light:
        slot, donor = light.pop(0), heavy[0]
        threshold[slot], alias[slot] = (share[slot] << 64) // total, donor
        share[donor] -= total - share[slot]
        if share[donor] < total:
            light.insert(0, heavy.pop(0))
    return threshold, alias


def alias_build(offset, weight):
    threshold, alias = [], []
    for segment in range(len(offset) - 1):
        first, stop = offset[segment], offset[segment + 1]
        if not (first == len(threshold) <= stop <= len(weight)) or (
            segment == len(offset) - 2 and stop != len(weight)
        ):
            raise RowError(segment, "BAD_OFFSET")
        rows = weight[first:stop]
        if rows and sum(rows) == 0:
            raise RowError(segment, "ZERO_TOTAL")
        if sum(rows) >= 2**63 or len(rows) >= 2**31:
            raise RowError(segment, "WEIGHT_TOO_LARGE")
        table = build(rows)
        threshold += table[0]
        alias += table[1]
    return threshold, alias

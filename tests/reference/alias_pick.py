"""slot = high word of x * size; kept where the low word is below its threshold."""

from tests.reference._errors import RowError


def alias_pick(x, start, size, threshold, alias):
    slots = []
    for row, (word, first, slot_count) in enumerate(zip(x, start, size, strict=True)):
        if slot_count == 0:
            raise RowError(row, "EMPTY_TABLE")
        if first + slot_count > len(threshold):
            raise RowError(row, "TABLE_OUT_OF_RANGE")
        slot, fraction = divmod(word * slot_count, 2**64)
        slots.append(slot if fraction < threshold[first + slot] else alias[first + slot])
    return slots

"""A slot by the row's profile, an offset uniform in the slot, and the arrival's own position."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox


def pick_slot(word, first, slots, threshold, alias):
    slot, fraction = divmod(word * slots, 2**64)
    return slot if fraction < threshold[first + slot] else alias[first + slot]


def place_in_bucket(key, row, rank, entity, bucket, table, slots, slot_us, threshold, alias):
    packed = []
    for i, (r, j) in enumerate(zip(row, rank, strict=True)):
        if r >= len(entity):
            raise RowError(i, "ROW_OUT_OF_RANGE")
        if slots == 0 or table[r] + slots > len(threshold):
            raise RowError(i, "TABLE_OUT_OF_RANGE")
        x0, x1 = philox(key, (bucket[r] << 32 | j, entity[r]))
        offset = pick_slot(x0, table[r], slots, threshold, alias) * slot_us + (x1 * slot_us >> 64)
        packed.append(offset << 32 | i)
    return packed

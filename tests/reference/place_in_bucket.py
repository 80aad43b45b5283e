"""A slot by the row's profile, or one of the open ones; an offset uniform in it; the arrival's position."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox


def pick_slot(word, first, slots, threshold, alias):
    slot, fraction = divmod(word * slots, 2**64)
    return slot if fraction < threshold[first + slot] else alias[first + slot]


def place_in_bucket(
    key, row, rank, entity, bucket, table, open_from, open_to, slots, slot_us, threshold, alias
):
    packed = []
    for i, (r, j) in enumerate(zip(row, rank, strict=True)):
        if r >= len(entity):
            raise RowError(i, "ROW_OUT_OF_RANGE")
        if slots == 0 or table[r] + slots > len(threshold):
            raise RowError(i, "TABLE_OUT_OF_RANGE")
        low, high = open_from[r], open_to[r]
        if not low < high <= slots:
            raise RowError(i, "OPEN_OUT_OF_RANGE")
        x0, x1 = philox(key, (bucket[r] << 32 | j, entity[r]))
        whole = (low, high) == (0, slots)
        slot = pick_slot(x0, table[r], slots, threshold, alias) if whole else low + (x0 * (high - low) >> 64)
        offset = slot * slot_us + (x1 * slot_us >> 64)
        packed.append(offset << 32 | i)
    return packed

"""Each arrival's instant, key, coin, place, terminal and kind."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox
from tests.reference.place_in_bucket import pick_slot

ALWAYS = 2**64 - 1


def route_arrivals(
    key, packed, row, rank, entity, bucket, key_row, virtual_below, recurring_below, site_kind, edge_kind,
    recurring_kind, site_first, site_slots, edge_first, edge_slots, threshold, alias, place_id, till_key,
    till_first, till_slots, till_threshold, till_alias, till_id, bucket_start,
):  # fmt: skip
    out = []
    for i, word in enumerate(packed):
        offset, position = divmod(word, 2**32)
        r = row[position] if position < len(row) else len(entity)
        if r >= len(entity) or key_row[r] >= len(site_first) or bucket[r] >= len(bucket_start):
            raise RowError(i, "ROW_OUT_OF_RANGE")
        k = key_row[r]
        pick, coin = philox(key, (bucket[r] << 32 | rank[position], entity[r]))
        online = coin < virtual_below[r] or virtual_below[r] == ALWAYS
        recurs = coin < recurring_below[r] or recurring_below[r] == ALWAYS
        kind = (recurring_kind if recurs else edge_kind) if online else site_kind[k]
        first, slots = (edge_first[k], edge_slots[k]) if online else (site_first[k], site_slots[k])
        if slots == 0 or first + slots > len(place_id):
            raise RowError(i, "TABLE_MISSING")
        slot = pick_slot(pick, first, slots, threshold, alias)
        if slot >= slots:
            raise RowError(i, "ALIAS_OUT_OF_RANGE")
        place = place_id[first + slot]
        begin, there, terminal = till_first[first + slot], till_slots[first + slot], 0
        if there:
            if begin + there > len(till_id):
                raise RowError(i, "TILL_OUT_OF_RANGE")
            till = philox(till_key, (bucket[r] << 32 | rank[position], entity[r]))[0]
            till = pick_slot(till, begin, there, till_threshold, till_alias)
            if till >= there:
                raise RowError(i, "TILL_OUT_OF_RANGE")
            terminal = till_id[begin + till]
        out.append(
            (
                bucket_start[bucket[r]] + offset,
                k,
                int(online),
                0 if online else place,
                place if online else 0,
                terminal,
                kind,
            )
        )
    return tuple([item[part] for item in out] for part in range(7))

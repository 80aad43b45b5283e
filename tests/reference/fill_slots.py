"""Each slot's party, the party that has it later, and from which day on."""

from tests.reference._entries import pick_person
from tests.reference._errors import RowError
from tests.reference.philox_block import philox


def fill_slots(
    key, row, rank, word, cells_first, cells_size, cell_table, people_first, people_table, change_below, days
):  # fmt: skip
    out = []
    for i, (unit, slot) in enumerate(zip(row, rank, strict=True)):
        if unit >= len(word):
            raise RowError(i, "OUT_OF_RANGE")

        def person(block, unit=unit, slot=slot, i=i):
            x, y = philox(key, (slot << 8 | block, word[unit]))
            size = cells_size[unit]
            party = pick_person(x, y, cells_first[unit], size, cell_table, people_first, people_table)
            if party is None:
                raise RowError(i, "OUT_OF_RANGE")
            return party, x

        party, x = person(0)
        if x // 2**12 % 2**12 < change_below:
            out.append((party, person(1)[0], x % 2**12 * days >> 12))
        else:
            out.append((party, party, 65535))
    return tuple([item[part] for item in out] for part in range(3))

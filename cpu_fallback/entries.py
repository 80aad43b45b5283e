"""Picking from alias tables with two words an entry: the threshold, and what is taken below and else."""

from cpu_fallback.device import device, length, mul128, u64


@device
def pick_entry(x, first, size, table):
    """What the word `x` picks among the `size` entries from `first`: a value below 2**32.

    Args:
        x: uint64: uniform word; x * size gives the entry (high word) and the fraction (low word).
        first: uint64: first entry.
        size: uint64: at least 1.
        table: uint64: threshold, then value below it | value else << 32.
    """
    high, fraction = mul128(x, size)
    at = (first + high) << u64(1)
    pair = table[at + u64(1)]
    return pair & u64(0xFFFFFFFF) if fraction < table[at] else pair >> u64(32)


@device
def entries(table):
    """Entries of a table."""
    return length(table) >> u64(1)


@device
def pick_person(x, y, first, size, cell_table, people_first, people_table):
    """Party that the words pick: a cell by `x`, one of its people by `y`; all ones where a table is short."""
    none = u64(0xFFFFFFFFFFFFFFFF)
    cells = entries(cell_table)
    if size == u64(0) or size > cells or first > cells - size:
        return none
    cell = pick_entry(x, first, size, cell_table)
    if cell + u64(1) >= length(people_first):
        return none
    begin = people_first[cell]
    stop = people_first[cell + u64(1)]
    if begin >= stop or stop > entries(people_table):
        return none
    return pick_entry(y, begin, stop - begin, people_table)

"""Picks from alias tables with two words an entry, in Python integers."""


def pick_entry(x, first, size, table):
    entry, fraction = divmod(x * size, 2**64)
    threshold, pair = table[2 * (first + entry)], table[2 * (first + entry) + 1]
    return pair % 2**32 if fraction < threshold else pair >> 32


def pick_person(x, y, first, size, cell_table, people_first, people_table):
    """None where a table is short."""
    if size == 0 or 2 * (first + size) > len(cell_table):
        return None
    cell = pick_entry(x, first, size, cell_table)
    if cell + 1 >= len(people_first):
        return None
    begin, stop = people_first[cell], people_first[cell + 1]
    if begin >= stop or 2 * stop > len(people_table):
        return None
    return pick_entry(y, begin, stop - begin, people_table)

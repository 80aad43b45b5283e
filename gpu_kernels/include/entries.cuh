// Picking from alias tables of which an entry is two words: the threshold, and what is taken below and else.
// Twin of cpu_fallback/entries.py.
#pragma once
#include "kernel.cuh"

DEVICE u64 pick_entry(u64 x, u64 first, u64 size, const u64 *table) {
    const Product product = mul128(x, size);
    const u64 at = (first + product.high) << 1;
    const u64 pair = table[at + 1];
    return product.low < table[at] ? pair & 0xFFFFFFFF : pair >> 32;
}

// Party that the words pick: a cell by `x`, one of its people by `y`; 2**64 - 1 where a table is short.
DEVICE u64 pick_person(u64 x, u64 y, u64 first, u64 size, IN(u64, cell_table), IN(u64, people_first), IN(u64, people_table)) {
    const u64 none = 0xFFFFFFFFFFFFFFFFULL;
    const u64 cells = LENGTH(cell_table) >> 1;
    if (size == 0 || size > cells || first > cells - size) {
        return none;
    }
    const u64 cell = pick_entry(x, first, size, cell_table);
    if (cell + 1 >= LENGTH(people_first)) {
        return none;
    }
    const u64 begin = people_first[cell];
    const u64 stop = people_first[cell + 1];
    if (begin >= stop || stop > LENGTH(people_table) >> 1) {
        return none;
    }
    return pick_entry(y, begin, stop - begin, people_table);
}

// contract: fill_slots - one thread a slot; 2 draws, 2 more where it changes; 12 bits times days < 2**44.
// twin: cpu_fallback/kernels/fill_slots.py
#include "entries.cuh"
#include "kernel.cuh"
#include "philox.cuh"

#define TABLES cell_table, cell_table_length, people_first, people_first_length, people_table, people_table_length

KERNEL void fill_slots(u64 key, IN(u32, row), IN(u32, rank), IN(u64, word), IN(u64, cells_first), IN(u32, cells_size), IN(u64, cell_table),
                       IN(u64, people_first), IN(u64, people_table), u32 change_below, u32 days, OUT(u32, party), OUT(u32, second),
                       OUT(u16, day), ERROR) {
    const u64 none = 0xFFFFFFFFFFFFFFFFULL;
    for (u64 i = first_row(); i < LENGTH(party); i += row_stride()) {
        const u64 unit = row[i];
        party[i] = 0;
        second[i] = 0;
        day[i] = 65535;
        if (unit >= LENGTH(word)) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const u64 first = cells_first[unit];
        const u64 size = cells_size[unit];
        const u64 at = (u64)rank[i] << 8;
        const Words x = philox2x64(at, word[unit], key);
        u64 holder = pick_person(x.x0, x.x1, first, size, TABLES);
        if (holder == none) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        party[i] = (u32)holder;
        if (((x.x0 >> 12) & 0xFFF) < change_below) {
            const Words y = philox2x64(at | 1, word[unit], key);
            holder = pick_person(y.x0, y.x1, first, size, TABLES);
            if (holder == none) {
                report(error, i, OUT_OF_RANGE);
                continue;
            }
            day[i] = (u16)(((x.x0 & 0xFFF) * days) >> 12);
        }
        second[i] = (u32)holder;
    }
}

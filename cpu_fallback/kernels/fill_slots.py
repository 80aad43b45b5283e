# contract: fill_slots - one iteration a slot; 2 draws, 2 more where it changes; 12 bits times days < 2**44.
# twin: gpu_kernels/kernels/fill_slots.cu
from cpu_fallback.device import kernel, length, report, rows, u16, u32, u64
from cpu_fallback.entries import pick_person
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import philox2x64

ERRORS = errors_of("fill_slots")


@kernel
def fill_slots(
    key, row, rank, word, cells_first, cells_size, cell_table, people_first, people_table, change_below, days,
    party, second, day, error,
):  # fmt: skip
    none = u64(0xFFFFFFFFFFFFFFFF)
    for i in rows(party):
        unit = u64(row[i])
        party[i], second[i], day[i] = u32(0), u32(0), u16(65535)
        if unit >= length(word):
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        first, size = cells_first[unit], u64(cells_size[unit])
        at = u64(rank[i]) << u64(8)
        x0, x1 = philox2x64(at, word[unit], key)
        holder = pick_person(x0, x1, first, size, cell_table, people_first, people_table)
        if holder == none:
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        party[i] = u32(holder)
        if (x0 >> u64(12)) & u64(0xFFF) < u64(change_below):
            y0, y1 = philox2x64(at | u64(1), word[unit], key)
            holder = pick_person(y0, y1, first, size, cell_table, people_first, people_table)
            if holder == none:
                report(error, i, ERRORS.OUT_OF_RANGE)
                continue
            day[i] = u16(((x0 & u64(0xFFF)) * u64(days)) >> u64(12))
        second[i] = u32(holder)

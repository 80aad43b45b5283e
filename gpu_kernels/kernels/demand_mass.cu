// contract: demand_mass - one thread a key; sums below 2**63 for 2**12 full rows. twin: cpu_fallback/kernels/demand_mass.py
#include "kernel.cuh"

// Whether rows first .. first + size - 1 exist; written so that no sum can wrap.
DEVICE bool within(u64 first, u64 size, u64 total) { return size <= total && first <= total - size; }

KERNEL void demand_mass(IN(f64, base), IN(u64, base_start), IN(u64, grid_start), IN(u64, grid_size), IN(u64, map_start),
                        IN(u64, factor_start), IN(u16, hour), IN(u8, times), IN(u32, local), IN(u16, utc_hour), IN(f64, factor), f64 hours,
                        u32 parts, u32 buckets, OUT(u64, local_mass), OUT(u64, utc_mass), ERROR) {
    const u64 keys = LENGTH(base_start);
    const u64 width = buckets;
    if (LENGTH(local_mass) != keys * 168 || LENGTH(utc_mass) != keys * 168) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    const u64 wide = 168 * (u64)parts;
    const u64 grids = minimum(LENGTH(hour), LENGTH(times));
    const u64 maps = minimum(LENGTH(local), LENGTH(utc_hour));
    for (u64 i = first_row(); i < keys; i += row_stride()) {
        const u64 out = i * 168;
        for (u64 h = 0; h < 168; ++h) {
            local_mass[out + h] = 0;
            utc_mass[out + h] = 0;
        }
        const u64 week = base_start[i];
        const u64 size = grid_size[i];
        const u64 grid = grid_start[i];
        const u64 cells = factor_start[i];
        if (!within(week, wide, LENGTH(base)) || !within(grid, size, grids) || !within(cells, size, LENGTH(factor)) ||
            !within(map_start[i], width, maps)) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        for (u64 j = 0; j < size; ++j) {
            const u64 slot = hour[grid + j];
            if (slot >= wide) {
                report(error, i, OUT_OF_RANGE);
                break;
            }
            const f64 value = base[week + slot] * hours * factor[cells + j];
            if (!(value >= 0.0 && value < 2147483648.0)) {
                report(error, i, RATE_OUT_OF_RANGE);
                break;
            }
            local_mass[out + slot / parts] += (u64)times[grid + j] * (u64)(value * 1048576.0);
        }
        for (u64 t = 0; t < width; ++t) {
            const u64 cell = local[map_start[i] + t];
            const u64 label = utc_hour[map_start[i] + t];
            if (cell >= size || label >= 168) {
                report(error, i, OUT_OF_RANGE);
                break;
            }
            const u64 slot = hour[grid + cell];
            if (slot >= wide) {
                report(error, i, OUT_OF_RANGE);
                break;
            }
            const f64 value = base[week + slot] * hours * factor[cells + cell];
            if (!(value >= 0.0 && value < 2147483648.0)) {
                report(error, i, RATE_OUT_OF_RANGE);
                break;
            }
            utc_mass[out + label] += (u64)(value * 1048576.0);
        }
    }
}

// contract: local_surface - one thread a key, to check its bounds, then a row; bounds checked. twin: cpu_fallback/kernels/local_surface.py
#include "civil.cuh"
#include "kernel.cuh"

// Whether `size` rows from `first` lie within a column.
DEVICE bool within(u64 first, u64 size, u64 length) { return size <= length && first <= length - size; }

// Error code of key i's place in the rows (`rows` of them), shapes, grid and factors; 0 if it has one.
DEVICE u64 refusal(const u64 *offset, u64 rows, const u64 *shape, u64 shapes, u64 week, const u64 *grid, u64 hours, const u64 *factor,
                   u64 factors, u64 i) {
    if (offset[i + 1] < offset[i] || offset[i + 1] > rows) {
        return BAD_OFFSET;
    }
    const u64 size = offset[i + 1] - offset[i];
    return within(grid[i], size, hours) && within(factor[i], size, factors) && within(shape[i], week, shapes) ? 0 : OUT_OF_RANGE;
}

KERNEL void local_surface(IN(u64, offset), IN(f64, volume), IN(u64, shape_start), IN(u64, grid_start), IN(u64, factor_start),
                          IN(f64, shape), IN(u16, hour), IN(u8, times), IN(f64, factor), f64 hours, u32 week, OUT(i32, bucket),
                          OUT(u8, multiplicity), OUT(f64, rate), ERROR) {
    const u64 keys = LENGTH(volume);
    const u64 rows = LENGTH(rate);
    if (offset[0] != 0 || offset[keys] != rows) {
        report(error, 0, BAD_OFFSET);
        return;
    }
    for (u64 i = first_row(); i < keys; i += row_stride()) {
        u64 code = refusal(offset, rows, shape_start, LENGTH(shape), week, grid_start, LENGTH(hour), factor_start, LENGTH(factor), i);
        for (u64 j = 0; code == 0 && j < offset[i + 1] - offset[i]; ++j) {
            code = hour[grid_start[i] + j] < week ? 0 : OUT_OF_RANGE;
        }
        if (code != 0) {
            report(error, i, code);
        }
    }
    for (u64 row = first_row(); row < rows; row += row_stride()) {
        const u64 i = last_at_or_before(row, 0, keys, offset);
        const u64 j = row - offset[i];
        // Reported above, perhaps by another thread. Only where offsets fall is a row past the end of its key.
        if (row >= offset[i + 1] ||
            refusal(offset, rows, shape_start, LENGTH(shape), week, grid_start, LENGTH(hour), factor_start, LENGTH(factor), i) != 0) {
            continue;
        }
        const u64 slot = hour[grid_start[i] + j];
        bucket[row] = (i32)j;
        multiplicity[row] = times[grid_start[i] + j];
        rate[row] = volume[i] * shape[shape_start[i] + (slot < week ? slot : 0)] * hours * factor[factor_start[i] + j];
    }
}

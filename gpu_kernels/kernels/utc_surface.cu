// contract: utc_surface - one thread a key's check, then a UTC row; bounds checked. twin: cpu_fallback/kernels/utc_surface.py
#include "kernel.cuh"

// Whether a key's local rows (those of `offset`, `rows` in all) and its time zone's map (`maps` rows in all) lie within their columns.
DEVICE bool key_fits(const u64 *offset, u64 rows, const u64 *map_start, u64 width, u64 maps, u64 i) {
    return offset[i] <= offset[i + 1] && offset[i + 1] <= rows && width <= maps && map_start[i] <= maps - width;
}

KERNEL void utc_surface(IN(u64, offset), IN(f64, rate), IN(u64, map_start), IN(u32, local), u32 buckets, OUT(u32, bucket),
                        OUT(f64, rate_utc), ERROR) {
    const u64 width = buckets;
    if (LENGTH(map_start) * width != LENGTH(rate_utc)) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    // Key by key, because a key without rows (buckets = 0) is refused too.
    for (u64 i = first_row(); i < LENGTH(map_start); i += row_stride()) {
        if (!key_fits(offset, LENGTH(rate), map_start, width, LENGTH(local), i)) {
            report(error, i, OUT_OF_RANGE);
        }
    }
    for (u64 row = first_row(); row < LENGTH(rate_utc); row += row_stride()) {
        const u64 i = row / width;
        const u64 j = row % width;
        if (!key_fits(offset, LENGTH(rate), map_start, width, LENGTH(local), i)) {
            continue;
        }
        const u64 source = local[map_start[i] + j];
        if (source >= offset[i + 1] - offset[i]) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        bucket[row] = (u32)j;
        rate_utc[row] = rate[offset[i] + source];
    }
}

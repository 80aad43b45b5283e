// contract: cell_intensity - one thread a key and bucket; bounds checked, none can wrap. twin: cpu_fallback/kernels/cell_intensity.py
#include "kernel.cuh"

// Whether rows first .. first + size - 1 exist; written so that no sum can wrap.
DEVICE bool within(u64 first, u64 size, u64 total) { return size <= total && first <= total - size; }

KERNEL void cell_intensity(IN(f64, base), IN(u64, base_start), IN(u64, map_start), IN(u16, hour), IN(u32, local), IN(u32, step),
                           IN(u64, factor_start), IN(f64, factor), f64 hours, u32 week, IN(u64, field_row), IN(u64, slow_row),
                           IN(f64, field), IN(f64, slow), f64 lowest, f64 highest, IN(u64, first), IN(u64, stride), u32 buckets,
                           OUT(f64, mean), ERROR) {
    const u64 width = buckets;
    const u64 total = LENGTH(mean);
    if (width == 0 || LENGTH(first) * width != total) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    const u64 maps = minimum(minimum(LENGTH(hour), LENGTH(local)), LENGTH(step));
    for (u64 i = first_row(); i < total; i += row_stride()) {
        const u64 k = i / width;
        const u64 t = i % width;
        const Product reach = mul128(width - 1, stride[k]);
        if (first[k] >= total || reach.high != 0 || reach.low >= total - first[k] || !within(base_start[k], week, LENGTH(base)) ||
            !within(map_start[k], width, maps) || !within(field_row[k], width, LENGTH(field)) || factor_start[k] >= LENGTH(factor) ||
            slow_row[k] >= LENGTH(slow)) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        const u64 row = map_start[k] + t;
        const u64 shown = hour[row];
        const u64 cell = local[row];
        const u64 now = step[row];
        if (shown >= week || cell >= LENGTH(factor) - factor_start[k] || now >= LENGTH(slow) - slow_row[k]) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        f64 noise = field[field_row[k] + t] * slow[slow_row[k] + now];
        noise = noise < lowest ? lowest : noise;
        noise = noise > highest ? highest : noise;
        mean[first[k] + t * stride[k]] = base[base_start[k] + shown] * hours * factor[factor_start[k] + cell] * noise;
    }
}

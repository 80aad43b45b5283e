// contract: realise_intensity - one thread a key and bucket; bounds checked, none can wrap. twin: cpu_fallback/kernels/realise_intensity.py
#include "kernel.cuh"

// Whether a path of `width` rows from `first` ends within its column.
DEVICE bool path_fits(u64 first, u64 width, u64 length) { return width <= length && first <= length - width; }

KERNEL void realise_intensity(IN(f64, intensity), IN(u64, base), IN(u64, stride), IN(u64, field_row), IN(u64, shock_row), u32 buckets,
                              IN(f64, field), IN(f64, shock), f64 lowest, f64 highest, OUT(f64, realised), OUT(u32, key_row),
                              OUT(u32, bucket), ERROR) {
    const u64 width = buckets;
    const u64 total = LENGTH(realised);
    if (width == 0 || LENGTH(base) * width != total) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    for (u64 i = first_row(); i < total; i += row_stride()) {
        const u64 k = i / width;
        const u64 t = i % width;
        const Product reach = mul128(width - 1, stride[k]);
        if (base[k] >= total || reach.high != 0 || reach.low >= total - base[k] || !path_fits(field_row[k], width, LENGTH(field)) ||
            !path_fits(shock_row[k], width, LENGTH(shock))) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        f64 factor = field[field_row[k] + t] * shock[shock_row[k] + t];
        factor = factor < lowest ? lowest : factor;
        factor = factor > highest ? highest : factor;
        const u64 at = base[k] + t * stride[k];
        realised[at] = intensity[i] * factor;
        key_row[at] = (u32)k;
        bucket[at] = (u32)t;
    }
}

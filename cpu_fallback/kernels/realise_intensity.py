# contract: realise_intensity - one iteration a key (CUDA: a key and bucket); bounds checked. twin: gpu_kernels/kernels/realise_intensity.cu
from cpu_fallback.device import kernel, length, report, rows, u32, u64


@kernel
def realise_intensity(
    intensity, base, stride, field_row, shock_row, buckets, field, shock, lowest, highest, realised, key_row, bucket, error
):
    width = u64(buckets)
    total = length(realised)
    if width == u64(0) or length(base) * width != total:
        report(error, 0, 1)
        return
    for k in rows(base):
        last = base[k] + (width - u64(1)) * stride[k]
        if last >= total or field_row[k] + width > length(field) or shock_row[k] + width > length(shock):
            report(error, k, 2)
            continue
        for t in range(width):
            factor = field[field_row[k] + t] * shock[shock_row[k] + t]
            factor = lowest if factor < lowest else factor
            factor = highest if factor > highest else factor
            at = base[k] + t * stride[k]
            realised[at] = intensity[k * width + t] * factor
            key_row[at] = u32(k)
            bucket[at] = u32(t)

# contract: realise_intensity - one iteration a key (CUDA: a key and bucket); bounds checked.
# twin: gpu_kernels/kernels/realise_intensity.cu
from cpu_fallback.device import device, kernel, length, mul128, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("realise_intensity")


@device
def path_fits(first, width, paths):
    """Whether rows first .. first + width - 1 exist; written so that no sum can wrap."""
    return width <= paths and first <= paths - width


@kernel
def realise_intensity(
    intensity,
    base,
    stride,
    field_row,
    shock_row,
    buckets,
    field,
    shock,
    lowest,
    highest,
    realised,
    key_row,
    bucket,
    error,
):
    width = u64(buckets)
    total = length(realised)
    if width == u64(0) or length(base) * width != total:
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    for k in rows(base):
        # Nothing here may wrap: rows that reach past the end are refused, however far they reach.
        wraps, reach = mul128(width - u64(1), stride[k])
        misplaced = base[k] >= total or wraps != u64(0) or reach >= total - base[k]
        if (
            misplaced
            or not path_fits(field_row[k], width, length(field))
            or not path_fits(shock_row[k], width, length(shock))
        ):
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        for t in range(width):
            factor = field[field_row[k] + t] * shock[shock_row[k] + t]
            factor = lowest if factor < lowest else factor
            factor = highest if factor > highest else factor
            at = base[k] + t * stride[k]
            realised[at] = intensity[k * width + t] * factor
            key_row[at] = u32(k)
            bucket[at] = u32(t)

# contract: cell_intensity - one iteration a key (CUDA: a key and bucket); bounds checked, none can wrap.
# twin: gpu_kernels/kernels/cell_intensity.cu
from cpu_fallback.device import device, kernel, length, mul128, report, rows, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("cell_intensity")


@device
def within(first, size, total):
    """Whether rows first .. first + size - 1 exist; written so that no sum can wrap."""
    return size <= total and first <= total - size


@kernel
def cell_intensity(
    base, base_start, map_start, hour, local, step, factor_start, factor, hours, week,
    field_row, slow_row, field, slow, lowest, highest, first, stride, buckets, mean, error,
):  # fmt: skip
    width = u64(buckets)
    total = length(mean)
    if width == u64(0) or length(first) * width != total:
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    maps = min(length(hour), length(local), length(step))
    for k in rows(first):
        # Rows that reach past the end are refused, however far they reach.
        wraps, reach = mul128(width - u64(1), stride[k])
        if (
            first[k] >= total
            or wraps != u64(0)
            or reach >= total - first[k]
            or not within(base_start[k], u64(week), length(base))
            or not within(map_start[k], width, maps)
            or not within(field_row[k], width, length(field))
            or factor_start[k] >= length(factor)
            or slow_row[k] >= length(slow)
        ):
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        base_row = base_start[k]
        cells = length(factor) - factor_start[k]
        steps = length(slow) - slow_row[k]
        at = first[k]
        for t in range(width):
            row = map_start[k] + t
            shown = u64(hour[row])
            cell = u64(local[row])
            now = u64(step[row])
            if shown >= u64(week) or cell >= cells or now >= steps:
                report(error, k, ERRORS.OUT_OF_RANGE)
                break
            noise = field[field_row[k] + t] * slow[slow_row[k] + now]
            noise = lowest if noise < lowest else noise
            noise = highest if noise > highest else noise
            mean[at] = base[base_row + shown] * hours * factor[factor_start[k] + cell] * noise
            at = at + stride[k]

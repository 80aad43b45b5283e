# contract: count_cells - one iteration a key and day; ceil(mean / part_mean) draws a cell; counts checked.
# twin: gpu_kernels/kernels/count_cells.cu
from cpu_fallback.counts import COUNT_LIMIT, draw_parts, parts_of
from cpu_fallback.detmath import INF
from cpu_fallback.device import device, f64, kernel, length, mul128, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("count_cells")

SUMS = 17


@device
def add_value(sums, at, value):
    """Add floor(value * 2**16), at most 2**88, in two words: 256 rows of a day fit 64 bits."""
    scaled = min(value, 4722366482869645213696.0) * 65536.0
    high = u64(scaled * 2.3283064365386963e-10)
    sums[at] = sums[at] + high
    sums[at + u64(1)] = sums[at + u64(1)] + u64(scaled - f64(high) * 4294967296.0)


@kernel
def count_cells(
    key, c0, c1, kappa, first, stride, mean, demand, part_mean, largest, day, count, peak, sums, error
):  # fmt: skip
    width = u64(day)
    buckets = length(c0)
    total = length(count)
    days = buckets // width if width > u64(0) else u64(0)
    if (
        days * width != buckets
        or days == u64(0)
        or length(c1) * buckets != total
        or length(mean) != total
        or length(demand) != total
        or length(peak) != length(c1) * days
        or length(sums) != length(peak) * u64(SUMS)
    ):
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    if not (part_mean > 0.0 and part_mean <= 512.0):
        report(error, 0, ERRORS.PART_MEAN_OUT_OF_RANGE)
        return
    if not (largest < INF):
        report(error, 0, ERRORS.MEAN_NOT_FINITE)
        return
    for i in rows(peak):
        k = i // days
        begin = (i % days) * width
        out = i * u64(SUMS)
        for s in range(u64(SUMS)):
            sums[out + s] = u64(0)
        peak[i] = 0.0
        wraps, reach = mul128(buckets - u64(1), stride[k])
        if first[k] >= total or wraps != u64(0) or reach >= total - first[k]:
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        shape = kappa[k]
        if not (shape > -INF and shape < INF) or (shape > 0.0 and shape < 5.421010862427522e-20):
            report(error, i, ERRORS.KAPPA_OUT_OF_RANGE)
            continue
        # Half of 2 / x is 1 / x: nvcc would spell the latter as a reciprocal.
        inverse = 0.5 * (2.0 / shape) if shape > 0.0 else 0.0
        steep = 2.0 + 6.0 * inverse
        top = 0.0
        at = first[k] + begin * stride[k]
        for t in range(begin, begin + width):
            row = at
            at = at + stride[k]
            mu = mean[row]
            plain = demand[row]
            count[row] = u32(0)
            if not (plain >= 0.0 and plain < 8796093022208.0):
                report(error, i, ERRORS.MEAN_NOT_FINITE)
                break
            sums[out + u64(16)] = sums[out + u64(16)] + u64(plain * 1048576.0)
            if mu == 0.0:
                continue
            if not (mu > 0.0 and mu < INF):
                report(error, i, ERRORS.MEAN_NOT_FINITE)
                break
            top = max(top, mu)
            if mu > largest:
                continue
            if shape > 0.0 and mu > shape * 16777216.0:
                report(error, i, ERRORS.KAPPA_OUT_OF_RANGE)
                break
            # 2**32 parts or events on average: refused before the loop, which takes time in proportion to mu.
            if mu >= 4294967295.0 or mu / part_mean >= 4294967295.0:
                report(error, i, ERRORS.COUNT_OVERFLOW)
                break
            parts = parts_of(mu, part_mean)
            found = draw_parts(key, c0[t], c1[k], mu, shape, parts, 0)
            if found >= u64(COUNT_LIMIT):
                report(error, i, ERRORS.COUNT_OVERFLOW)
                break
            count[row] = u32(found)
            sums[out] = sums[out] + found
            if found > u64(0):
                sums[out + u64(1)] = sums[out + u64(1)] + u64(1)
            sums[out + u64(2)] = sums[out + u64(2)] + u64(1)
            sums[out + u64(3)] = sums[out + u64(3)] + parts
            sums[out + u64(4)] = sums[out + u64(4)] + ((parts + u64(1)) >> u64(1))
            sums[out + u64(5)] = sums[out + u64(5)] + u64(mu * 1048576.0)
            variance = mu + mu * mu * inverse
            apart = f64(found) - mu
            add_value(sums, out + u64(6), mu)
            add_value(sums, out + u64(8), variance)
            add_value(sums, out + u64(10), apart * apart)
            add_value(sums, out + u64(12), variance * variance * steep + variance)
            add_value(sums, out + u64(14), variance * (1.0 + 2.0 * mu * inverse))
        peak[i] = top

# contract: draw_counts - one iteration a cell; ceil(mu / part_mean) draws; 32-bit counts checked.
# twin: gpu_kernels/kernels/draw_counts.cu
from cpu_fallback.counts import COUNT_LIMIT, draw_parts, parts_of
from cpu_fallback.detmath import INF
from cpu_fallback.device import device, kernel, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("draw_counts")


@device
def refusal(mu, kappa, part_mean, zero_truncated):
    """Error code of a cell's parameters, 0 if they can be drawn. NaN fails every comparison."""
    if not (mu >= 0.0 and mu < INF):
        return ERRORS.MEAN_NOT_FINITE
    if not (kappa > -INF and kappa < INF):
        return ERRORS.KAPPA_NOT_FINITE
    if not (part_mean > 0.0 and part_mean <= 512.0):
        return ERRORS.PART_MEAN_OUT_OF_RANGE
    if zero_truncated and mu > part_mean:
        return ERRORS.TRUNCATED_TOO_LARGE
    # Far in the tail an inversion takes some 36 * mu / kappa terms: a ratio without bound would be a loop
    # without end.
    if kappa > 0.0 and mu > kappa * 16777216.0:
        return ERRORS.KAPPA_TOO_SMALL
    # 2**32 parts or events on average: refused before the loop, which takes time in proportion to mu.
    if mu >= 4294967295.0 or mu / part_mean >= 4294967295.0:
        return ERRORS.COUNT_OVERFLOW
    return u64(0)


@kernel
def draw_counts(key, c0, c1, mu, kappa, part_mean, zero_truncated, count, draws, error):
    for i in rows(count):
        count[i] = u32(0)
        draws[i] = u32(0)
        code = refusal(mu[i], kappa[i], part_mean, zero_truncated)
        if code != u64(0):
            report(error, i, code)
            continue
        if mu[i] == 0.0:
            continue
        parts = parts_of(mu[i], part_mean)
        total = draw_parts(key, c0[i], c1[i], mu[i], kappa[i], parts, zero_truncated)
        if total >= u64(COUNT_LIMIT):
            report(error, i, ERRORS.COUNT_OVERFLOW)
            continue
        count[i] = u32(total)
        draws[i] = u32(parts)

# contract: balance_catchments - one iteration a problem; sums run in the order of places and cells.
# twin: gpu_kernels/kernels/balance_catchments.cu
from cpu_fallback.detmath import INF
from cpu_fallback.device import kernel, length, report, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("balance_catchments")


@kernel
def balance_catchments(
    row_first, col_first, entry_first, affinity, row_total, col_total, rounds, row_factor, col_factor,
    error,
):  # fmt: skip
    problems = length(row_first) - u64(1)
    for i in range(problems):
        begin, end = row_first[i], row_first[i + u64(1)]
        left, right = col_first[i], col_first[i + u64(1)]
        at = entry_first[i]
        stop = entry_first[i + u64(1)]
        if (
            end < begin or right < left or stop < at
            or end > length(row_total) or right > length(col_total) or stop > length(affinity)
            or stop - at != (end - begin) * (right - left)
            or (i == u64(0) and (begin != u64(0) or left != u64(0) or at != u64(0)))
            or (
                i + u64(1) == problems
                and (end != length(row_total) or right != length(col_total) or stop != length(affinity))
            )
        ):  # fmt: skip
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        wide = right - left
        bad = False
        for c in range(left, right):
            col_factor[c] = 1.0
        for r in range(begin, end):
            row_factor[r] = 1.0
        for step in range(u64(rounds) + u64(1)):
            if step > u64(0):
                for c in range(left, right):
                    total = 0.0
                    for r in range(begin, end):
                        total += affinity[at + (r - begin) * wide + (c - left)] * row_factor[r]
                    bad = bad or not (
                        total > 0.0 and total < INF and col_total[c] > 0.0 and col_total[c] < INF
                    )
                    col_factor[c] = col_total[c] / total
            for r in range(begin, end):
                total = 0.0
                for c in range(left, right):
                    total += affinity[at + (r - begin) * wide + (c - left)] * col_factor[c]
                wanted = row_total[r]
                bad = bad or not (total > 0.0 and total < INF and wanted > 0.0 and wanted < INF)
                row_factor[r] = wanted / total
        if bad:
            report(error, i, ERRORS.NOT_POSITIVE)

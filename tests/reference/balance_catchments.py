"""Row and column factors of each problem, by rounds of columns and rows."""

import math

from tests.reference._errors import RowError


def balance_catchments(row_first, col_first, entry_first, affinity, row_total, col_total, rounds):
    problems = len(row_first) - 1
    row_factor, col_factor = [1.0] * len(row_total), [1.0] * len(col_total)
    for i in range(problems):
        spans = [(first[i], first[i + 1]) for first in (row_first, col_first, entry_first)]
        ends = (len(row_total), len(col_total), len(affinity))
        (begin, end), (left, right), (at, stop) = spans
        if (
            any(b < a or b > total for (a, b), total in zip(spans, ends, strict=True))
            or stop - at != (end - begin) * (right - left)
            or (i == 0 and any(a != 0 for a, _ in spans))
            or (i == problems - 1 and any(b != total for (_, b), total in zip(spans, ends, strict=True)))
        ):
            raise RowError(i, "BAD_OFFSET")
        _solve(i, spans, affinity, (row_total, col_total), rounds, (row_factor, col_factor))
    return row_factor, col_factor


def _solve(i, spans, affinity, totals, rounds, factors):
    (begin, end), (left, right), (at, _) = spans
    row_total, col_total = totals
    row_factor, col_factor = factors

    def entry(r, c):
        return affinity[at + (r - begin) * (right - left) + (c - left)]

    def scaled(wanted, total):
        if not (0.0 < total < math.inf and 0.0 < wanted < math.inf):
            raise RowError(i, "NOT_POSITIVE")
        return wanted / total

    for step in range(rounds + 1):
        if step:
            for c in range(left, right):
                total = 0.0
                for r in range(begin, end):
                    total += entry(r, c) * row_factor[r]
                col_factor[c] = scaled(col_total[c], total)
        for r in range(begin, end):
            total = 0.0
            for c in range(left, right):
                total += entry(r, c) * col_factor[c]
            row_factor[r] = scaled(row_total[r], total)

# contract: alias_build - one iteration a segment; exact: weight * size is 128 bits wide.
# twin: gpu_kernels/kernels/alias_build.cu
import numpy as np

from cpu_fallback.device import device, kernel, length, report, subroutine, u32, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.wide import divide128, mul128, multiply_divide

ERRORS = errors_of("alias_build")

FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
TOTAL_LIMIT = np.uint64(1) << np.uint64(63)
SIZE_LIMIT = np.uint64(1) << np.uint64(31)


@device
def segment_total(weight, first, size):
    """Sum of a segment's weights, or TOTAL_LIMIT where it would reach that."""
    total = u64(0)
    for j in range(first, first + size):
        if weight[j] >= TOTAL_LIMIT - total:
            return TOTAL_LIMIT
        total = total + weight[j]
    return total


@device
def next_slot(weight, first, size, total, j, light):
    """First slot >= j whose share weight * size is below the total (light) or not (heavy); size if none."""
    while j < size:
        high, low = mul128(weight[first + j], size)
        if (high == u64(0) and low < total) == light:
            break
        j = j + u64(1)
    return j


@subroutine
def fill_segment(weight, first, size, total, threshold, alias):
    """Sweep light slots in order, each topped up by the current heavy slot.

    One that falls below the total is topped up by the next.

    A share is whole * total + part, part < total: exact, and the sweep needs no stack. Every slot is written
    once.
    """
    i = next_slot(weight, first, size, total, u64(0), True)
    j = next_slot(weight, first, size, total, u64(0), False)
    whole, part = multiply_divide(weight[first + j], size, total)
    while True:
        if whole == u64(0):
            # The heavy slot gave away more than its surplus: it is light now. Shares sum to size * total, so
            # another heavy one exists.
            k = next_slot(weight, first, size, total, j + u64(1), False)
            lacking = total - part
            threshold[first + j], _ = divide128(part, u64(0), total)
            alias[first + j] = u32(k)
            j = k
            whole, part = multiply_divide(weight[first + j], size, total)
        elif i < size:
            share = weight[first + i] * size
            lacking = total - share
            threshold[first + i], _ = divide128(share, u64(0), total)
            alias[first + i] = u32(j)
            i = next_slot(weight, first, size, total, i + u64(1), True)
        else:
            break
        if part >= lacking:
            part = part - lacking
        else:
            part = part + (total - lacking)
            whole = whole - u64(1)
    while j < size:
        # Nothing light is left: every remaining share is exactly the total.
        threshold[first + j] = FULL
        alias[first + j] = u32(j)
        j = next_slot(weight, first, size, total, j + u64(1), False)


@kernel
def alias_build(offset, weight, threshold, alias, error):
    n = length(weight)
    segments = length(offset) - u64(1)
    for s in range(segments):
        first = offset[s]
        stop = offset[s + u64(1)]
        if (
            stop < first
            or stop > n
            or (s == u64(0) and first != u64(0))
            or (s + u64(1) == segments and stop != n)
        ):
            report(error, s, ERRORS.BAD_OFFSET)
            continue
        size = stop - first
        if size == u64(0):
            continue
        code = ERRORS.WEIGHT_TOO_LARGE
        total = u64(0)
        if size < SIZE_LIMIT:
            total = segment_total(weight, first, size)
            code = (
                ERRORS.ZERO_TOTAL
                if total == u64(0)
                else (ERRORS.WEIGHT_TOO_LARGE if total == TOTAL_LIMIT else u64(0))
            )
        if code != u64(0):
            report(error, s, code)
            for j in range(size):
                threshold[first + j] = FULL
                alias[first + j] = u32(j)
            continue
        fill_segment(weight, first, size, total, threshold, alias)

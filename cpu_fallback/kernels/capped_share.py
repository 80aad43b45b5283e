# contract: capped_share - one iteration a group; exact: 128-bit comparisons, carried remainders.
# twin: gpu_kernels/kernels/capped_share.cu
import numpy as np

from cpu_fallback.device import device, kernel, length, report, subroutine, u32, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64
from cpu_fallback.wide import mul128, multiply_divide

ERRORS = errors_of("capped_share")

OPEN = np.uint32(0xFFFFFFFF)
MOST = np.uint32(0xFFFFFFFE)
LIMIT = np.uint64(1) << np.uint64(63)


@device
def at_least(a, b, c, d):
    """Whether a * b >= c * d, exactly."""
    high, low = mul128(a, b)
    other_high, other_low = mul128(c, d)
    return high > other_high or (high == other_high and low >= other_low)


@subroutine
def clip(first, stop, weight, cap, units, count):
    """Give the cap to every row whose share reaches it until none does: (units left, weight of open rows).

    Open rows hold OPEN.
    """
    total = u64(0)
    for j in range(first, stop):
        if weight[j] == u64(0) or cap[j] == u32(0):
            count[j] = u32(0)
        elif weight[j] >= LIMIT - total:
            return units, LIMIT
        else:
            count[j] = OPEN
            total = total + weight[j]
    again = True
    while again:
        again = False
        units_before = units
        total_before = total
        for j in range(first, stop):
            most = min(cap[j], MOST)
            if count[j] == OPEN and at_least(weight[j], units_before, u64(most), total_before):
                count[j] = most
                units = units - u64(most)
                total = total - weight[j]
                again = True
    return units, total


@kernel
def capped_share(offset, weight, cap, units, start, count, error):
    n = length(weight)
    groups = length(offset) - u64(1)
    for s in range(groups):
        first = offset[s]
        stop = offset[s + u64(1)]
        if (
            stop < first
            or stop > n
            or (s == u64(0) and first != u64(0))
            or (s + u64(1) == groups and stop != n)
        ):
            report(error, s, ERRORS.BAD_OFFSET)
            continue
        left, total = clip(first, stop, weight, cap, units[s], count)
        code = u64(0)
        if total == LIMIT:
            code = ERRORS.WEIGHT_TOO_LARGE
        elif total == u64(0):
            code = ERRORS.CAPS_INFEASIBLE if left > u64(0) else u64(0)
        if code != u64(0):
            report(error, s, code)
            for j in range(first, stop):
                count[j] = u32(0)
            continue
        carried = mulhi64(start[s], total)
        for j in range(first, stop):
            if count[j] == OPEN:
                # weight <= total < 2**63: the quotient fits, and remainder plus what is carried does not
                # wrap.
                whole, rest = multiply_divide(weight[j], left, total)
                carried = carried + rest
                if carried >= total:
                    carried = carried - total
                    whole = whole + u64(1)
                count[j] = u32(whole)

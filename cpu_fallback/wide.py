"""Exact 128-by-64-bit division from 64-bit operations (Knuth, TAOCP vol.

2, algorithm 4.3.1 D with two 32-bit digits).
"""

from cpu_fallback.device import device, mul128, subroutine, u32, u64


@device
def leading_zeros(x):
    """Number of leading zero bits of a non-zero uint64 (CUDA: `__clzll`)."""
    count = u64(0)
    step = u64(32)
    while step > u64(0):
        if (x >> (u64(64) - step)) == u64(0):
            x = x << step
            count = count + step
        step = step >> u64(1)
    return count


@device
def _digit(high, next_digit, d1, d0, divisor):
    """One 32-bit quotient digit of (high : next_digit) / divisor and the remainder.

    Divisor = d1 : d0 has its top bit set.
    """
    base = u64(0x100000000)
    digit = high // d1
    rest = high - digit * d1
    # The estimate is at most 2 too large.
    while digit >= base or digit * d0 > (rest << u64(32)) + next_digit:
        digit = digit - u64(1)
        rest = rest + d1
        if rest >= base:
            break
    # Wraps mod 2**64 on purpose: the true value is below the divisor.
    return digit, (high << u64(32)) + next_digit - digit * divisor


@subroutine
def divide128(high, low, divisor):
    """(quotient, remainder) of the 128-bit number high : low by a uint64 divisor.

    Needs high < divisor, so the quotient fits.
    """
    shift = leading_zeros(divisor)
    scaled = divisor << shift
    if shift > u64(0):
        high = (high << shift) | (low >> (u64(64) - shift))
        low = low << shift
    d1 = scaled >> u64(32)
    d0 = u64(u32(scaled))
    q1, rest = _digit(high, low >> u64(32), d1, d0, scaled)
    q0, rest = _digit(rest, u64(u32(low)), d1, d0, scaled)
    return (q1 << u64(32)) | q0, rest >> shift


@subroutine
def multiply_divide(a, b, divisor):
    """(quotient, remainder) of a * b / divisor through the exact 128-bit product.

    Needs a * b < divisor * 2**64.
    """
    high, low = mul128(a, b)
    if high == u64(0):
        return low // divisor, low % divisor
    return divide128(high, low, divisor)

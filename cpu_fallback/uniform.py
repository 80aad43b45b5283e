"""Uniform doubles strictly inside (0, 1)."""

from cpu_fallback.device import device, f64, i64, u64


@device
def open52(x):
    """Uniform u = ((x >> 12) + 0.5) * 2**-52 of a random uint64 word; exact, symmetric, never 0, 0.5 or 1.

    52 bits, not 53: with 53 the largest value would round to 1.0. The cast to int64 is lossless and cheaper
    than from uint64.
    """
    return (f64(i64(x >> u64(12))) + 0.5) * 2.220446049250313e-16

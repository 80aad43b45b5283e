"""Poisson and NB2 counts by inversion of the exact distribution function: one uniform, one count."""

from cpu_fallback.detmath import det_exp, det_expm1, det_log1p
from cpu_fallback.device import device, f64, subroutine, u64
from cpu_fallback.philox import philox2x64
from cpu_fallback.uniform import open52

COUNT_LIMIT = 0xFFFFFFFF


@device
def log_zero_probability(mu, kappa):
    """Log of P(N = 0): -mu for Poisson (kappa <= 0), else -kappa * log(1 + mu / kappa) for NB2.

    NB2 has variance mu + mu**2 / kappa.
    """
    if kappa <= 0.0:
        return -mu
    return -kappa * det_log1p(mu / kappa)


@device
def zero_floor(mu):
    """Less than P(N = 0) as computed, for Poisson and every NB2 of mean mu >= 0.

    exp(-mu) exceeds its Taylor polynomial of odd degree and NB2 has more zeros than Poisson; 1e-12 is more
    than all roundings together.
    """
    return 1.0 - mu * (1.0 - mu * (0.5 - mu * 0.16666666666666666)) - 1e-12


@subroutine
def invert_count(u, mu, kappa, zero_truncated):
    """Smallest k with F(k) >= u, or with F(k | N >= 1) >= u when `zero_truncated`, as uint64.

    The result is at most 2**32 - 1; the caller refuses that value.

    Both laws obey p[k + 1] = p[k] * (base + slope * k) / (k + 1) (Panjer 1981): Poisson with base = mu,
    slope = 0; NB2 with slope = mu / (mu + kappa), base = kappa * slope. The sum runs upwards from p[0]; past
    the mode it stops as soon as a term no longer changes it, which leaves out a tail of probability below
    about 2**-53 * (1 + mu / kappa). Expected number of terms: mu.

    Args:
        u: Uniform in (0, 1).
        mu: Mean, > 0 and small enough that p[0] is a normal double (mu <= 512).
        kappa: Dispersion; <= 0 means Poisson.
        zero_truncated: uint8 0 or 1. The truncated law is inverted as u * (1 - p[0]) against p[1] + p[2] +
            ..., which stays exact for tiny mu where p[0] + u * (1 - p[0]) would not.
    """
    # Most cells of a large world expect little: their zeros need neither exp nor log.
    if not zero_truncated and u < zero_floor(mu):
        return u64(0)
    base = mu
    slope = 0.0
    if kappa > 0.0:
        slope = mu / (mu + kappa)
        base = kappa * slope
    log_p = log_zero_probability(mu, kappa)
    p = det_exp(log_p)
    k = u64(0)
    target = u
    if zero_truncated:
        target = u * -det_expm1(log_p)
        p = p * base
        k = u64(1)
    total = p
    while total < target and k < u64(COUNT_LIMIT):
        ratio = (base + slope * f64(k)) / (f64(k) + 1.0)
        p = p * ratio
        grown = total + p
        if grown == total and ratio < 1.0:
            break
        total = grown
        k = k + u64(1)
    return k


@device
def parts_of(mu, part_mean):
    """Least number of parts of at most part_mean that add up to mu > 0: uint64."""
    parts = u64(mu / part_mean)
    if parts == u64(0) or f64(parts) * part_mean < mu:
        parts = parts + u64(1)
    return parts


@device
def draw_parts(key, c0, c1, mu, kappa, parts, zero_truncated):
    """Sum of `parts` counts of NB2(mu / parts, kappa / parts): part d reads block c0 + d // 2, lane d % 2."""
    mean = mu / f64(parts)
    shape = kappa / f64(parts)
    total = u64(0)
    x0 = u64(0)
    x1 = u64(0)
    for d in range(parts):
        if d & u64(1):
            x0 = x1
        else:
            x0, x1 = philox2x64(c0 + (d >> u64(1)), c1, key)
        total = total + invert_count(open52(x0), mean, shape, zero_truncated)
    return total

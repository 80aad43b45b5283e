"""Inversion of Poisson and NB2 in Python floats: the operations of
cpu_fallback/counts.py in the same order.
"""

from tests.reference._detmath import det_exp, det_expm1, det_log1p


def log_zero_probability(mu, kappa):
    return -mu if kappa <= 0.0 else -kappa * det_log1p(mu / kappa)


def invert_count(u, mu, kappa, zero_truncated):
    slope = mu / (mu + kappa) if kappa > 0.0 else 0.0
    base = kappa * slope if kappa > 0.0 else mu
    log_p = log_zero_probability(mu, kappa)
    p, k, target = det_exp(log_p), 0, u
    if zero_truncated:
        p, k, target = p * base, 1, u * -det_expm1(log_p)
    total = p
    while total < target:
        ratio = (base + slope * k) / (k + 1.0)
        p *= ratio
        if total + p == total and ratio < 1.0:
            break
        total += p
        k += 1
    return k

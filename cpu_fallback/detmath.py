"""exp, log, the normal quantile and the normal distribution function from + - * / sqrt floor alone.

The same bits on every machine and backend.

Algorithms: exp and log follow FreeBSD msun / fdlibm (Sun Microsystems 1993, freely distributable: argument
reduction by ln 2 in two parts, minimax kernels); the quantile is Wichura 1988, AS 241 PPND16; the
distribution function is its Taylor series (Marsaglia 2004, J. Stat. Software 11, 4) up to 3 standard
deviations and Laplace's continued fraction of the Mills ratio beyond (Abramowitz and Stegun 26.2.14). Order
of operations is part of the contract: the CUDA twin and `tests/reference/_detmath.py` repeat it term by term.
NaN results are always the one canonical quiet NaN. Measured against mpmath (tests/kernels/test_detmath.py):
exp, log <= 1 ulp, log1p <= 2 ulp, expm1 <= 4 ulp, quantile <= 1e-15 relative, distribution function <= 1e-12
relative from -37 on.
"""

import math

import numpy as np

from cpu_fallback.device import bits_float, device, f64, float_bits, i64, u64

NAN = np.float64("nan")
INF = np.float64("inf")

LN2_HI = 6.93147180369123816490e-01
LN2_LO = 1.90821492927058770002e-10
INV_LN2 = 1.44269504088896338700e00
EXP_OVERFLOW = 709.782712893383973096
EXP_UNDERFLOW = -745.13321910194110842

P1 = 1.66666666666666019037e-01
P2 = -2.77777777770155933842e-03
P3 = 6.61375632143793436117e-05
P4 = -1.65339022054652515390e-06
P5 = 4.13813679705723846039e-08

LG1 = 6.666666666666735130e-01
LG2 = 3.999999999940941908e-01
LG3 = 2.857142874366239149e-01
LG4 = 2.222219843214978396e-01
LG5 = 1.818357216161805012e-01
LG6 = 1.531383769920937332e-01
LG7 = 1.479819860511658591e-01

MIN_NORMAL = 2.2250738585072014e-308
TWO_54 = 18014398509481984.0
SQRT_HALF_BITS = np.uint64(0x3FE6A09E00000000)
EXPONENT_MASK = np.uint64(0xFFF0000000000000)


@device
def power_of_two(k):
    """2.0**k for int64 k in [-1022, 1023]."""
    return bits_float(u64(k + i64(1023)) << u64(52))


@device
def det_exp(x):
    """e**x. NaN -> NaN; above 709.78 -> inf; below -745.13 -> 0; subnormal results are rounded once."""
    if x != x:
        return NAN
    if x > EXP_OVERFLOW:
        return INF
    if x < EXP_UNDERFLOW:
        return 0.0
    n = np.floor(x * INV_LN2 + 0.5)
    hi = x - n * LN2_HI
    lo = n * LN2_LO
    r = hi - lo
    rr = r * r
    c = r - rr * (P1 + rr * (P2 + rr * (P3 + rr * (P4 + rr * P5))))
    y = 1.0 + (r * c / (2.0 - c) - lo + hi)
    k = i64(n)
    half = k >> i64(1)
    # Two factors, because 2**1024 and 2**-1074 are not normal doubles; the first product is exact.
    return y * power_of_two(half) * power_of_two(k - half)


@device
def det_log(x):
    """Natural logarithm. NaN or negative -> NaN; 0 -> -inf; inf -> inf; subnormals are exact inputs."""
    if x != x or x < 0.0:
        return NAN
    if x == 0.0:
        return -INF
    if x == INF:
        return INF
    shift = i64(0)
    if x < MIN_NORMAL:
        x = x * TWO_54
        shift = i64(54)
    bits = float_bits(x)
    above = bits - SQRT_HALF_BITS
    # x = 2**k * (1 + f), sqrt(1/2) < 1 + f < sqrt(2)
    k = f64((i64(above) >> i64(52)) - shift)
    f = bits_float(bits - (above & EXPONENT_MASK)) - 1.0
    hfsq = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    t1 = w * (LG2 + w * (LG4 + w * LG6))
    t2 = z * (LG1 + w * (LG3 + w * (LG5 + w * LG7)))
    return k * LN2_HI - ((hfsq - (s * (hfsq + (t2 + t1)) + k * LN2_LO)) - f)


@device
def det_log1p(x):
    """log(1 + x) for x > -1, accurate for tiny x: the rounding of 1 + x is added back to first order."""
    u = 1.0 + x
    if u == INF:
        return INF
    return det_log(u) - ((u - 1.0) - x) / u


@device
def det_expm1(x):
    """exp(x) - 1, accurate for tiny x (Kahan: (e - 1) * x / log(e) with the rounded e = exp(x))."""
    e = det_exp(x)
    if e == 1.0:
        return x
    if e == INF:
        return INF
    if e - 1.0 == -1.0:
        return -1.0
    return (e - 1.0) * x / det_log(e)


@device
def _central(r):
    """AS 241 rational function for |p - 0.5| <= 0.425, r = 0.180625 - (p - 0.5)**2."""
    num = 2.5090809287301226727e3
    num = num * r + 3.3430575583588128105e4
    num = num * r + 6.7265770927008700853e4
    num = num * r + 4.5921953931549871457e4
    num = num * r + 1.3731693765509461125e4
    num = num * r + 1.9715909503065514427e3
    num = num * r + 1.3314166789178437745e2
    num = num * r + 3.3871328727963666080e0
    den = 5.2264952788528545610e3
    den = den * r + 2.8729085735721942674e4
    den = den * r + 3.9307895800092710610e4
    den = den * r + 2.1213794301586595867e4
    den = den * r + 5.3941960214247511077e3
    den = den * r + 6.8718700749205790830e2
    den = den * r + 4.2313330701600911252e1
    den = den * r + 1.0
    return num / den


@device
def _near_tail(r):
    """AS 241 rational function for sqrt(-log p) <= 5, r = sqrt(-log p) - 1.6."""
    num = 7.74545014278341407640e-4
    num = num * r + 2.27238449892691845833e-2
    num = num * r + 2.41780725177450611770e-1
    num = num * r + 1.27045825245236838258e0
    num = num * r + 3.64784832476320460504e0
    num = num * r + 5.76949722146069140550e0
    num = num * r + 4.63033784615654529590e0
    num = num * r + 1.42343711074968357734e0
    den = 1.05075007164441684324e-9
    den = den * r + 5.47593808499534494600e-4
    den = den * r + 1.51986665636164571966e-2
    den = den * r + 1.48103976427480074590e-1
    den = den * r + 6.89767334985100004550e-1
    den = den * r + 1.67638483018380384940e0
    den = den * r + 2.05319162663775882187e0
    den = den * r + 1.0
    return num / den


@device
def _far_tail(r):
    """AS 241 rational function for sqrt(-log p) > 5, r = sqrt(-log p) - 5."""
    num = 2.01033439929228813265e-7
    num = num * r + 2.71155556874348757815e-5
    num = num * r + 1.24266094738807843860e-3
    num = num * r + 2.65321895265761230930e-2
    num = num * r + 2.96560571828504891230e-1
    num = num * r + 1.78482653991729133580e0
    num = num * r + 5.46378491116411436990e0
    num = num * r + 6.65790464350110377720e0
    den = 2.04426310338993978564e-15
    den = den * r + 1.42151175831644588870e-7
    den = den * r + 1.84631831751005468180e-5
    den = den * r + 7.86869131145613259100e-4
    den = den * r + 1.48753612908506148525e-2
    den = den * r + 1.36929880922735805310e-1
    den = den * r + 5.99832206555887937690e-1
    den = den * r + 1.0
    return num / den


@device
def det_normal_quantile(p):
    """Standard normal quantile. p <= 0 -> -inf, p >= 1 -> inf, NaN -> NaN."""
    if p != p:
        return NAN
    if p <= 0.0:
        return -INF
    if p >= 1.0:
        return INF
    q = p - 0.5
    if q >= -0.425 and q <= 0.425:
        return q * _central(0.180625 - q * q)
    tail = p if q < 0.0 else 1.0 - p
    r = math.sqrt(-det_log(tail))
    z = _near_tail(r - 1.6) if r <= 5.0 else _far_tail(r - 5.0)
    return -z if q < 0.0 else z


INV_SQRT_2PI = 0.3989422804014327
MILLS_TERMS = 40.0


@device
def det_normal_cdf(z):
    """Standard normal distribution function. -inf -> 0, inf -> 1, NaN -> NaN."""
    if z != z:
        return NAN
    a = -z if z < 0.0 else z
    square = a * a
    density = det_exp(-0.5 * square) * INV_SQRT_2PI
    if a <= 3.0:
        term = a
        total = a
        odd = 1.0
        # The terms of a series of positive numbers that end up too small to be seen: at most 33 of them.
        while True:
            odd = odd + 2.0
            term = term * square / odd
            longer = total + term
            if longer == total:
                break
            total = longer
        half = total * density
        return 0.5 - half if z < 0.0 else 0.5 + half
    mills = a
    k = MILLS_TERMS
    while k > 1.0:
        mills = a + k / mills
        k = k - 1.0
    mills = a + 0.5 * (2.0 / mills)
    tail = density / mills
    return tail if z < 0.0 else 1.0 - tail

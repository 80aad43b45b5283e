"""exp, log, the normal quantile and distribution function in Python floats (which are binary64): the same
formulas as cpu_fallback/detmath.py, written as tables.

The order of operations is the definition; the twins must give the same bits.
"""

import math
import struct

LN2_HI = float.fromhex("0x1.62e42fee00000p-1")
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")
INV_LN2 = float.fromhex("0x1.71547652b82fep+0")
EXP_P = [
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
]
EXP_P += [4.13813679705723846039e-08]
LOG_ODD = [
    6.666666666666735130e-01,
    2.857142874366239149e-01,
    1.818357216161805012e-01,
    1.479819860511658591e-01,
]
LOG_EVEN = [3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01]

# Wichura 1988, AS 241, PPND16: coefficients in ascending powers, as printed.
CENTRAL = (
    [3.3871328727963666080e0, 1.3314166789178437745e2,
     1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4,
     3.3430575583588128105e4, 2.5090809287301226727e3],
    [1.0, 4.2313330701600911252e1,
     6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4,
     2.8729085735721942674e4, 5.2264952788528545610e3],
)  # fmt: skip
NEAR = (
    [1.42343711074968357734e0, 4.63033784615654529590e0,
     5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4],
    [1.0, 2.05319162663775882187e0,
     1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2,
     5.47593808499534494600e-4, 1.05075007164441684324e-9],
)  # fmt: skip
FAR = (
    [6.65790464350110377720e0, 5.46378491116411436990e0,
     1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7],
    [1.0, 5.99832206555887937690e-1,
     1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5,
     1.42151175831644588870e-7, 2.04426310338993978564e-15],
)  # fmt: skip


def horner(coefficients, x):
    """Polynomial with ascending coefficients, highest power first."""
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def from_bits(word):
    return struct.unpack("<d", struct.pack("<Q", word))[0]


def det_exp(x):
    if math.isnan(x):
        return math.nan
    if x > 709.782712893383973096:
        return math.inf
    if x < -745.13321910194110842:
        return 0.0
    n = math.floor(x * INV_LN2 + 0.5)
    hi = x - n * LN2_HI
    lo = n * LN2_LO
    r = hi - lo
    rr = r * r
    c = r - rr * horner(EXP_P, rr)
    y = 1.0 + (r * c / (2.0 - c) - lo + hi)
    return y * 2.0 ** (n // 2) * 2.0 ** (n - n // 2)


def det_log(x):
    if math.isnan(x) or x < 0.0:
        return math.nan
    if x == 0.0:
        return -math.inf
    if x == math.inf:
        return math.inf
    shift = 0
    if x < 2.0**-1022:
        x, shift = x * 2.0**54, 54
    above = bits(x) - 0x3FE6A09E00000000
    k = (above >> 52) - shift
    f = from_bits(bits(x) - ((above >> 52) << 52)) - 1.0
    hfsq = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    rest = z * horner(LOG_ODD, w) + w * horner(LOG_EVEN, w)
    return k * LN2_HI - ((hfsq - (s * (hfsq + rest) + k * LN2_LO)) - f)


def det_log1p(x):
    u = 1.0 + x
    return math.inf if u == math.inf else det_log(u) - ((u - 1.0) - x) / u


def det_expm1(x):
    e = det_exp(x)
    if e == 1.0:
        return x
    if e == math.inf:
        return math.inf
    return -1.0 if e - 1.0 == -1.0 else (e - 1.0) * x / det_log(e)


def rational(table, r):
    return horner(table[0], r) / horner(table[1], r)


def det_normal_quantile(p):
    if math.isnan(p):
        return math.nan
    if p <= 0.0:
        return -math.inf
    if p >= 1.0:
        return math.inf
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * rational(CENTRAL, 0.180625 - q * q)
    r = math.sqrt(-det_log(p if q < 0.0 else 1.0 - p))
    z = rational(NEAR, r - 1.6) if r <= 5.0 else rational(FAR, r - 5.0)
    return -z if q < 0.0 else z


def det_normal_cdf(z):
    if math.isnan(z):
        return math.nan
    a = abs(z)
    density = det_exp(-0.5 * (a * a)) * 0.3989422804014327
    if a <= 3.0:
        term = total = a
        odd = 3.0
        while total + (term := term * (a * a) / odd) != total:
            total += term
            odd += 2.0
        return 0.5 - total * density if z < 0.0 else 0.5 + total * density
    mills = a
    for k in range(40, 0, -1):
        mills = a + k / mills
    return density / mills if z < 0.0 else 1.0 - density / mills

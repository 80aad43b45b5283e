// exp, log, the normal quantile and distribution function from + - * / sqrt floor alone: the same bits on every machine and backend.
// Twin of cpu_fallback/detmath.py (sources of the algorithms and error bounds there), operation for operation: every product and sum
// is rounded by itself. NaN results are always the one canonical quiet NaN.
#pragma once
#include "kernel.cuh"

constexpr f64 LN2_HI = 6.93147180369123816490e-01;
constexpr f64 LN2_LO = 1.90821492927058770002e-10;
constexpr f64 INV_LN2 = 1.44269504088896338700e00;
constexpr f64 EXP_OVERFLOW = 709.782712893383973096;
constexpr f64 EXP_UNDERFLOW = -745.13321910194110842;
constexpr f64 P1 = 1.66666666666666019037e-01;
constexpr f64 P2 = -2.77777777770155933842e-03;
constexpr f64 P3 = 6.61375632143793436117e-05;
constexpr f64 P4 = -1.65339022054652515390e-06;
constexpr f64 P5 = 4.13813679705723846039e-08;
constexpr f64 LG1 = 6.666666666666735130e-01;
constexpr f64 LG2 = 3.999999999940941908e-01;
constexpr f64 LG3 = 2.857142874366239149e-01;
constexpr f64 LG4 = 2.222219843214978396e-01;
constexpr f64 LG5 = 1.818357216161805012e-01;
constexpr f64 LG6 = 1.531383769920937332e-01;
constexpr f64 LG7 = 1.479819860511658591e-01;
constexpr f64 MIN_NORMAL = 2.2250738585072014e-308;
constexpr f64 TWO_54 = 18014398509481984.0;
constexpr u64 SQRT_HALF_BITS = 0x3FE6A09E00000000ULL;
constexpr u64 EXPONENT_MASK = 0xFFF0000000000000ULL;

// 2**k for k in [-1022, 1023].
DEVICE f64 power_of_two(i64 k) { return bits_float((u64)(k + 1023) << 52); }

// e**x. NaN -> NaN; above 709.78 -> inf; below -745.13 -> 0; subnormal results are rounded once.
DEVICE f64 det_exp(f64 x) {
    if (x != x) {
        return NAN;
    }
    if (x > EXP_OVERFLOW) {
        return INF;
    }
    if (x < EXP_UNDERFLOW) {
        return 0.0;
    }
    const f64 n = floor(x * INV_LN2 + 0.5);
    const f64 hi = x - n * LN2_HI;
    const f64 lo = n * LN2_LO;
    const f64 r = hi - lo;
    const f64 rr = r * r;
    const f64 c = r - rr * (P1 + rr * (P2 + rr * (P3 + rr * (P4 + rr * P5))));
    const f64 y = 1.0 + (r * c / (2.0 - c) - lo + hi);
    const i64 k = (i64)n;
    const i64 half = k >> 1;
    // Two factors, because 2**1024 and 2**-1074 are not normal doubles; the first product is exact.
    return y * power_of_two(half) * power_of_two(k - half);
}

// Natural logarithm. NaN or negative -> NaN; 0 -> -inf; inf -> inf; subnormals are exact inputs.
DEVICE f64 det_log(f64 x) {
    if (x != x || x < 0.0) {
        return NAN;
    }
    if (x == 0.0) {
        return -INF;
    }
    if (x == INF) {
        return INF;
    }
    i64 shift = 0;
    if (x < MIN_NORMAL) {
        x = x * TWO_54;
        shift = 54;
    }
    const u64 bits = float_bits(x);
    const u64 above = bits - SQRT_HALF_BITS;
    // x = 2**k * (1 + f), sqrt(1/2) < 1 + f < sqrt(2)
    const f64 k = (f64)(((i64)above >> 52) - shift);
    const f64 f = bits_float(bits - (above & EXPONENT_MASK)) - 1.0;
    const f64 hfsq = 0.5 * f * f;
    const f64 s = f / (2.0 + f);
    const f64 z = s * s;
    const f64 w = z * z;
    const f64 t1 = w * (LG2 + w * (LG4 + w * LG6));
    const f64 t2 = z * (LG1 + w * (LG3 + w * (LG5 + w * LG7)));
    return k * LN2_HI - ((hfsq - (s * (hfsq + (t2 + t1)) + k * LN2_LO)) - f);
}

// log(1 + x) for x > -1, accurate for tiny x: the rounding of 1 + x is added back to first order.
DEVICE f64 det_log1p(f64 x) {
    const f64 u = 1.0 + x;
    if (u == INF) {
        return INF;
    }
    return det_log(u) - ((u - 1.0) - x) / u;
}

// exp(x) - 1, accurate for tiny x (Kahan: (e - 1) * x / log(e) with the rounded e = exp(x)).
DEVICE f64 det_expm1(f64 x) {
    const f64 e = det_exp(x);
    if (e == 1.0) {
        return x;
    }
    if (e == INF) {
        return INF;
    }
    if (e - 1.0 == -1.0) {
        return -1.0;
    }
    return (e - 1.0) * x / det_log(e);
}

// AS 241 rational function for |p - 0.5| <= 0.425, r = 0.180625 - (p - 0.5)**2.
DEVICE f64 central(f64 r) {
    f64 num = 2.5090809287301226727e3;
    num = num * r + 3.3430575583588128105e4;
    num = num * r + 6.7265770927008700853e4;
    num = num * r + 4.5921953931549871457e4;
    num = num * r + 1.3731693765509461125e4;
    num = num * r + 1.9715909503065514427e3;
    num = num * r + 1.3314166789178437745e2;
    num = num * r + 3.3871328727963666080e0;
    f64 den = 5.2264952788528545610e3;
    den = den * r + 2.8729085735721942674e4;
    den = den * r + 3.9307895800092710610e4;
    den = den * r + 2.1213794301586595867e4;
    den = den * r + 5.3941960214247511077e3;
    den = den * r + 6.8718700749205790830e2;
    den = den * r + 4.2313330701600911252e1;
    den = den * r + 1.0;
    return num / den;
}

// AS 241 rational function for sqrt(-log p) <= 5, r = sqrt(-log p) - 1.6.
DEVICE f64 near_tail(f64 r) {
    f64 num = 7.74545014278341407640e-4;
    num = num * r + 2.27238449892691845833e-2;
    num = num * r + 2.41780725177450611770e-1;
    num = num * r + 1.27045825245236838258e0;
    num = num * r + 3.64784832476320460504e0;
    num = num * r + 5.76949722146069140550e0;
    num = num * r + 4.63033784615654529590e0;
    num = num * r + 1.42343711074968357734e0;
    f64 den = 1.05075007164441684324e-9;
    den = den * r + 5.47593808499534494600e-4;
    den = den * r + 1.51986665636164571966e-2;
    den = den * r + 1.48103976427480074590e-1;
    den = den * r + 6.89767334985100004550e-1;
    den = den * r + 1.67638483018380384940e0;
    den = den * r + 2.05319162663775882187e0;
    den = den * r + 1.0;
    return num / den;
}

// AS 241 rational function for sqrt(-log p) > 5, r = sqrt(-log p) - 5.
DEVICE f64 far_tail(f64 r) {
    f64 num = 2.01033439929228813265e-7;
    num = num * r + 2.71155556874348757815e-5;
    num = num * r + 1.24266094738807843860e-3;
    num = num * r + 2.65321895265761230930e-2;
    num = num * r + 2.96560571828504891230e-1;
    num = num * r + 1.78482653991729133580e0;
    num = num * r + 5.46378491116411436990e0;
    num = num * r + 6.65790464350110377720e0;
    f64 den = 2.04426310338993978564e-15;
    den = den * r + 1.42151175831644588870e-7;
    den = den * r + 1.84631831751005468180e-5;
    den = den * r + 7.86869131145613259100e-4;
    den = den * r + 1.48753612908506148525e-2;
    den = den * r + 1.36929880922735805310e-1;
    den = den * r + 5.99832206555887937690e-1;
    den = den * r + 1.0;
    return num / den;
}

// Standard normal quantile. p <= 0 -> -inf, p >= 1 -> inf, NaN -> NaN.
DEVICE f64 det_normal_quantile(f64 p) {
    if (p != p) {
        return NAN;
    }
    if (p <= 0.0) {
        return -INF;
    }
    if (p >= 1.0) {
        return INF;
    }
    const f64 q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) {
        return q * central(0.180625 - q * q);
    }
    const f64 tail = q < 0.0 ? p : 1.0 - p;
    const f64 r = sqrt(-det_log(tail));
    const f64 z = r <= 5.0 ? near_tail(r - 1.6) : far_tail(r - 5.0);
    return q < 0.0 ? -z : z;
}

constexpr f64 INV_SQRT_2PI = 0.3989422804014327;
constexpr f64 MILLS_TERMS = 40.0;

// Standard normal distribution function. -inf -> 0, inf -> 1, NaN -> NaN.
DEVICE f64 det_normal_cdf(f64 z) {
    if (z != z) {
        return NAN;
    }
    const f64 a = z < 0.0 ? -z : z;
    const f64 square = a * a;
    const f64 density = det_exp(-0.5 * square) * INV_SQRT_2PI;
    if (a <= 3.0) {
        f64 term = a;
        f64 total = a;
        f64 odd = 1.0;
        // The terms of a series of positive numbers that end up too small to be seen: at most 33 of them.
        while (true) {
            odd = odd + 2.0;
            term = term * square / odd;
            const f64 longer = total + term;
            if (longer == total) {
                break;
            }
            total = longer;
        }
        const f64 half = total * density;
        return z < 0.0 ? 0.5 - half : 0.5 + half;
    }
    f64 mills = a;
    f64 k = MILLS_TERMS;
    while (k > 1.0) {
        mills = a + k / mills;
        k = k - 1.0;
    }
    // Half of 2 / x is 1 / x: nvcc would spell the latter as a reciprocal.
    mills = a + 0.5 * (2.0 / mills);
    const f64 tail = density / mills;
    return z < 0.0 ? tail : 1.0 - tail;
}

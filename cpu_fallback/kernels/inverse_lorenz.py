# contract: inverse_lorenz - one iteration a law; shares are at most 2**32 - 1.
# twin: gpu_kernels/kernels/inverse_lorenz.cu
import numpy as np

from cpu_fallback.detmath import det_exp, det_log
from cpu_fallback.device import device, f64, i64, kernel, length, report, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("inverse_lorenz")

WIDEST = 60.0


@device
def gamma_at(t, shape):
    """The Gamma variable at t = g ** shape."""
    return det_exp(det_log(t) / shape)


@device
def real(n):
    """A whole number below 2**63 as a double."""
    return f64(i64(n))


@device
def whole(x):
    """A double that is a whole number below 2**32, as one."""
    return u32(i64(x))


@kernel
def inverse_lorenz(shape, most, steps, points, share, error):
    size = u64(points) + u64(1)
    if steps == u32(0) or points == u32(0) or length(share) != length(shape) * size:
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    for k in range(length(shape)):
        a = shape[k]
        cut = most[k]
        if not (a >= 0.015625 and a <= 64.0 and cut > 0.0 and cut <= 1e300):
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        reach = det_exp(det_log(WIDEST) * a)
        step = reach / real(steps)
        members, visits = 0.0, 0.0
        for i in range(u64(steps)):
            g = gamma_at((real(i) + 0.5) * step, a)
            weight = det_exp(-g)
            members += weight
            visits += weight * min(g / a, cut)
        below, made = 0.0, 0.0
        j = u64(0)
        for i in range(u64(steps)):
            g = gamma_at((real(i) + 0.5) * step, a)
            weight = det_exp(-g)
            more = weight * min(g / a, cut)
            while j < u64(points):
                target = visits * real(j) / real(points)
                if made + more < target:
                    break
                inside = (target - made) / more if more > 0.0 else 0.0
                found = np.floor((below + inside * weight) / members * 4294967296.0)
                share[k * size + j] = whole(min(found, 4294967295.0))
                j += u64(1)
            below += weight
            made += more
        while j < size:
            share[k * size + j] = u32(4294967295)
            j += u64(1)

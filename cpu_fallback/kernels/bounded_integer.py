# contract: bounded_integer - one iteration a word; cannot overflow: mulhi(x, bound) < bound.
# twin: gpu_kernels/kernels/bounded_integer.cu
from cpu_fallback.device import kernel, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64

ERRORS = errors_of("bounded_integer")


@kernel
def bounded_integer(x, bound, value, error):
    for i in rows(value):
        if bound[i] == u64(0):
            report(error, i, ERRORS.ZERO_BOUND)
        value[i] = mulhi64(x[i], bound[i])

# contract: gated_weight - one iteration a row; one word is gate and quantile.
# twin: gpu_kernels/kernels/gated_weight.cu
from cpu_fallback.detmath import det_exp, det_normal_quantile
from cpu_fallback.device import kernel, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.uniform import open52

ERRORS = errors_of("gated_weight")

BELOW_ONE = 0.9999999999999999  # 1 - 2**-53


@kernel
def gated_weight(x, idle, sigma, weight, error):
    for i in rows(weight):
        weight[i] = u64(1)
        gate = idle[i]
        spread = sigma[i]
        if not (gate >= 0.0 and gate < 1.0):
            report(error, i, ERRORS.IDLE_OUT_OF_RANGE)
            continue
        if not (spread >= 0.0 and spread <= 3.0):
            report(error, i, ERRORS.SIGMA_OUT_OF_RANGE)
            continue
        u = open52(x[i])
        if u <= gate:
            continue
        # The quotient of two rounded numbers may round to 1, whose quantile is infinite.
        v = min((u - gate) / (1.0 - gate), BELOW_ONE)
        factor = det_exp(spread * det_normal_quantile(v) - 0.5 * spread * spread)
        units = min(factor, 65536.0) * 1048576.0
        if units >= 1.0:
            weight[i] = u64(units)

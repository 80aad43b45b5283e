# contract: lognormal_factor - one iteration a row; overflow gives inf, NaN parameters NaN.
# twin: gpu_kernels/kernels/lognormal_factor.cu
from cpu_fallback.detmath import det_exp, det_normal_quantile
from cpu_fallback.device import kernel, rows
from cpu_fallback.uniform import open52


@kernel
def lognormal_factor(x, mu, sigma, y):
    for i in rows(y):
        y[i] = det_exp(mu[i] + sigma[i] * det_normal_quantile(open52(x[i])))

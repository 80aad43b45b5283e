# contract: race_key - one iteration a row; a weight that is not positive gives +inf.
# twin: gpu_kernels/kernels/race_key.cu
from cpu_fallback.detmath import INF, det_log
from cpu_fallback.device import kernel, rows
from cpu_fallback.uniform import open52


@kernel
def race_key(x, weight, t):
    for i in rows(t):
        if weight[i] > 0.0:
            t[i] = -det_log(open52(x[i])) / weight[i]
        else:
            t[i] = INF

# contract: exp_map - one iteration a value; total function, cannot fail. twin: gpu_kernels/kernels/exp_map.cu
from cpu_fallback.detmath import det_exp
from cpu_fallback.device import kernel, rows


@kernel
def exp_map(x, y):
    for i in rows(y):
        y[i] = det_exp(x[i])

# contract: log_map - one iteration a value; total function, cannot fail. twin: gpu_kernels/kernels/log_map.cu
from cpu_fallback.detmath import det_log
from cpu_fallback.device import kernel, rows


@kernel
def log_map(x, y):
    for i in rows(y):
        y[i] = det_log(x[i])

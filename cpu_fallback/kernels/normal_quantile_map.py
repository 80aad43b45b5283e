# contract: normal_quantile_map - one iteration a value; total function, cannot fail.
# twin: gpu_kernels/kernels/normal_quantile_map.cu
from cpu_fallback.detmath import det_normal_quantile
from cpu_fallback.device import kernel, rows


@kernel
def normal_quantile_map(u, z):
    for i in rows(z):
        z[i] = det_normal_quantile(u[i])

# contract: normal_cdf_map - one iteration a value; total function, cannot fail.
# twin: gpu_kernels/kernels/normal_cdf_map.cu
from cpu_fallback.detmath import det_normal_cdf
from cpu_fallback.device import kernel, rows


@kernel
def normal_cdf_map(z, p):
    for i in rows(p):
        p[i] = det_normal_cdf(z[i])

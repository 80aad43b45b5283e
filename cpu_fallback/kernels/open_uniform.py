# contract: open_uniform - one iteration a word; exact, cannot fail. twin: gpu_kernels/kernels/open_uniform.cu
from cpu_fallback.device import kernel, rows
from cpu_fallback.uniform import open52


@kernel
def open_uniform(x, u):
    for i in rows(u):
        u[i] = open52(x[i])

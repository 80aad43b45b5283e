# contract: ou_field - one iteration a group; one draw a bucket; inputs finite.
# twin: gpu_kernels/kernels/ou_field.cu
from cpu_fallback.detmath import det_normal_quantile
from cpu_fallback.device import kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import philox2x64
from cpu_fallback.uniform import open52

ERRORS = errors_of("ou_field")


@kernel
def ou_field(key, entity, sigma, phi, step_scale, buckets, z, error):
    width = u64(buckets)
    if length(entity) * width != length(z):
        report(error, 0, ERRORS.WRONG_LENGTH)
        return
    for g in rows(entity):
        first = g * width
        noise = sigma[g] * step_scale[g]
        value = 0.0
        x0 = u64(0)
        x1 = u64(0)
        for t in range(width):
            if t & u64(1):
                x0 = x1
            else:
                x0, x1 = philox2x64(t >> u64(1), entity[g], key)
            normal = det_normal_quantile(open52(x0))
            if t == u64(0):
                value = sigma[g] * normal
            else:
                value = phi[g] * value + noise * normal
            z[first + t] = value

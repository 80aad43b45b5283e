// contract: ou_field - one thread a group; one draw a bucket; inputs finite. twin: cpu_fallback/kernels/ou_field.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "philox.cuh"
#include "uniform.cuh"

KERNEL void ou_field(u64 key, IN(u64, entity), IN(f64, sigma), IN(f64, phi), IN(f64, step_scale), u32 buckets, OUT(f64, z), ERROR) {
    const u64 width = buckets;
    if (LENGTH(entity) * width != LENGTH(z)) {
        report(error, 0, WRONG_LENGTH);
        return;
    }
    for (u64 g = first_row(); g < LENGTH(entity); g += row_stride()) {
        const u64 first = g * width;
        const f64 noise = sigma[g] * step_scale[g];
        f64 value = 0.0;
        Words words = {0, 0};
        for (u64 t = 0; t < width; ++t) {
            if (t & 1) {
                words.x0 = words.x1;
            } else {
                words = philox2x64(t >> 1, entity[g], key);
            }
            const f64 normal = det_normal_quantile(open52(words.x0));
            value = t == 0 ? sigma[g] * normal : phi[g] * value + noise * normal;
            z[first + t] = value;
        }
    }
}

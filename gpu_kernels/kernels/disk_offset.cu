// contract: disk_offset - one thread a point; |offset| <= 1e18, the direction is never null. twin: cpu_fallback/kernels/disk_offset.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "uniform.cuh"

KERNEL void disk_offset(IN(u64, x0), IN(u64, x1), IN(u64, x2), IN(f64, radius_udeg), IN(f64, lon_scale), OUT(i64, dlat_udeg),
                        OUT(i64, dlon_udeg), ERROR) {
    for (u64 i = first_row(); i < LENGTH(dlat_udeg); i += row_stride()) {
        dlat_udeg[i] = 0;
        dlon_udeg[i] = 0;
        if (!(radius_udeg[i] >= 0.0 && radius_udeg[i] <= 1e12 && lon_scale[i] >= 0.0 && lon_scale[i] <= 1e6)) {
            report(error, i, DISK_OUT_OF_RANGE);
            continue;
        }
        // The direction of two independent normals is uniform; open52 is never 0.5, so neither is ever 0.
        const f64 north = det_normal_quantile(open52(x1[i]));
        const f64 east = det_normal_quantile(open52(x2[i]));
        const f64 norm = sqrt(north * north + east * east);
        const f64 r = radius_udeg[i] * sqrt(open52(x0[i]));
        dlat_udeg[i] = (i64)floor(r * (north / norm) + 0.5);
        dlon_udeg[i] = (i64)floor(r * (east / norm) * lon_scale[i] + 0.5);
    }
}

# contract: disk_offset - one iteration a point; |offset| <= 1e18, the direction is never null.
# twin: gpu_kernels/kernels/disk_offset.cu
import math

import numpy as np

from cpu_fallback.detmath import det_normal_quantile
from cpu_fallback.device import i64, kernel, report, rows
from cpu_fallback.errors import errors_of
from cpu_fallback.uniform import open52

ERRORS = errors_of("disk_offset")


@kernel
def disk_offset(x0, x1, x2, radius_udeg, lon_scale, dlat_udeg, dlon_udeg, error):
    for i in rows(dlat_udeg):
        dlat_udeg[i] = i64(0)
        dlon_udeg[i] = i64(0)
        if not (
            radius_udeg[i] >= 0.0 and radius_udeg[i] <= 1e12 and lon_scale[i] >= 0.0 and lon_scale[i] <= 1e6
        ):
            report(error, i, ERRORS.DISK_OUT_OF_RANGE)
            continue
        # The direction of two independent normals is uniform; open52 is never 0.5, so neither is ever 0.
        north = det_normal_quantile(open52(x1[i]))
        east = det_normal_quantile(open52(x2[i]))
        norm = math.sqrt(north * north + east * east)
        r = radius_udeg[i] * math.sqrt(open52(x0[i]))
        dlat_udeg[i] = i64(np.floor(r * (north / norm) + 0.5))
        dlon_udeg[i] = i64(np.floor(r * (east / norm) * lon_scale[i] + 0.5))

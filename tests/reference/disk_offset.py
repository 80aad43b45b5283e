"""radius * sqrt(u) in the direction of two independent normals, rounded to whole microdegrees."""

import math

from tests.reference._detmath import det_normal_quantile
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52


def disk_offset(x0, x1, x2, radius_udeg, lon_scale):
    dlat, dlon = [], []
    for row, (w0, w1, w2, radius, scale) in enumerate(zip(x0, x1, x2, radius_udeg, lon_scale, strict=True)):
        if not (0.0 <= radius <= 1e12 and 0.0 <= scale <= 1e6):
            raise RowError(row, "DISK_OUT_OF_RANGE")
        north, east = det_normal_quantile(open52(w1)), det_normal_quantile(open52(w2))
        norm = math.sqrt(north * north + east * east)
        r = radius * math.sqrt(open52(w0))
        dlat.append(math.floor(r * (north / norm) + 0.5))
        dlon.append(math.floor(r * (east / norm) * scale + 0.5))
    return dlat, dlon

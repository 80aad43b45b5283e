"""-log(u) / score as the bits of a double, under the tier."""

import struct

from tests.reference._detmath import det_log
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52
from tests.reference.philox_block import draw


def role_race(key, c0, c1, score, tier):
    places = []
    for row, (low, high, weight, rank) in enumerate(zip(c0, c1, score, tier, strict=True)):
        if rank > 3:
            raise RowError(row, "TIER_OUT_OF_RANGE")
        if 0 < weight < 64 or weight >= 2**63:
            raise RowError(row, "SCORE_OUT_OF_RANGE")
        if weight == 0:
            places.append(2**64 - 1)
            continue
        t = -det_log(open52(draw(key, low, high, 0))) / float(weight)
        places.append((rank << 62) | struct.unpack("<Q", struct.pack("<d", t))[0])
    return places

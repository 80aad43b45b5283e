"""1 for the idle; for the others floor(lognormal of mean 1, in 2**-20), at least 1 and at most 2**36."""

from tests.reference._detmath import det_exp, det_normal_quantile
from tests.reference._errors import RowError
from tests.reference.open_uniform import open52


def gated_weight(x, idle, sigma):
    weight = []
    for row, (word, gate, spread) in enumerate(zip(x, idle, sigma, strict=True)):
        if not 0.0 <= gate < 1.0:
            raise RowError(row, "IDLE_OUT_OF_RANGE")
        if not 0.0 <= spread <= 3.0:
            raise RowError(row, "SIGMA_OUT_OF_RANGE")
        u = open52(word)
        if u <= gate:
            weight.append(1)
            continue
        factor = det_exp(
            spread * det_normal_quantile(min((u - gate) / (1.0 - gate), 1.0 - 2.0**-53))
            - 0.5 * spread * spread
        )
        weight.append(max(1, int(min(factor, 65536.0) * 1048576.0)))
    return weight

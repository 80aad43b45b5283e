"""-log(u) / weight; a weight that is not positive never wins."""

import math

from tests.reference._detmath import det_log
from tests.reference.open_uniform import open52


def race_key(x, weight):
    return [-det_log(open52(word)) / w if w > 0.0 else math.inf for word, w in zip(x, weight, strict=True)]

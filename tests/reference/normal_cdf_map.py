"""det_normal_cdf, value by value."""

from tests.reference._detmath import det_normal_cdf


def normal_cdf_map(z):
    return [det_normal_cdf(value) for value in z]

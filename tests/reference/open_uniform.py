"""The definition of a uniform: ((x >> 12) + 0.5) * 2**-52."""


def open52(x):
    return ((x >> 12) + 0.5) / 2**52


def open_uniform(x):
    return [open52(word) for word in x]

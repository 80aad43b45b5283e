"""Sums by hour of the week of floor(rate * 2**20), in Python ints."""

from tests.reference._errors import RowError


def hour_mass(offset, rate, label_start, hour, times):
    if offset[0] != 0 or offset[-1] != len(rate):
        raise RowError(0, "BAD_OFFSET")
    mass = []
    for i, label in enumerate(label_start):
        if offset[i + 1] < offset[i] or offset[i + 1] > len(rate):
            raise RowError(i, "BAD_OFFSET")
        size = offset[i + 1] - offset[i]
        if label + size > len(hour):
            raise RowError(i, "OUT_OF_RANGE")
        sums = [0] * 168
        problems = []
        for j, value in enumerate(rate[offset[i] : offset[i + 1]]):
            if hour[label + j] >= 168:
                problems.append("OUT_OF_RANGE")
            elif not 0.0 <= value < 2.0**31:
                problems.append("RATE_OUT_OF_RANGE")
            else:
                sums[hour[label + j]] += times[label + j] * int(value * 2.0**20)
        if problems:
            raise RowError(i, min(problems))
        mass += sums
    return mass

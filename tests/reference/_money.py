"""Prices as shops end them, and half-even division, in Python's whole numbers."""

from fractions import Fraction


def half_even(a, b, divisor):
    return round(Fraction(a * b, divisor))


def nearest(value, step):
    return (value + step // 2) // step * step


def whole_notes(value, note, most):
    return max(min((value + note // 2) // note, most // note), 1) * note


def ended(value, word, unit, grain, most, under, half_under, half, whole):
    large, cent, floor = value >= 200 * unit, max(unit // 100, grain), value // unit * unit
    if value < unit or (word >= whole and word >= half and word >= half_under and word >= under):
        price = value + grain // 2
    elif word < under:
        price = nearest(value, unit * 10 if large else unit)
        price = price - cent if price > cent else price
    elif word < half_under:
        price = floor + unit // 2 - cent
    elif word < half:
        price = floor + unit // 2
    else:
        price = nearest(value, unit * 5 if large else unit)
    return max(min(price, most) // grain, 1) * grain

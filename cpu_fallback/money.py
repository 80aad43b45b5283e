"""Whole amounts: prices as shops end them, and half-even division."""

from cpu_fallback.device import device, u64
from cpu_fallback.wide import multiply_divide

LARGE = 200
"""From so many units on, prices are counted in tens of units, and round ones in fives."""


@device
def half_even(a, b, divisor):
    """Value of a * b / divisor, ties to the even neighbour; needs a * b < divisor * 2**64."""
    quotient, rest = multiply_divide(a, b, divisor)
    other = divisor - rest
    if rest > other or (rest == other and quotient & u64(1)):
        quotient = quotient + u64(1)
    return quotient


@device
def whole_notes(value, note, most):
    """The multiple of `note` nearest to an amount, at least one and, but for that, at most `most`."""
    count = (value + note // u64(2)) // note
    count = min(count, most // note)
    return max(count, u64(1)) * note


@device
def ended(value, word, unit, grain, most, under, half_under, half, whole):
    """A price near `value`, a multiple of `grain`, ended as a word says.

    Just under a unit, just under a half, on a half, on a whole unit, or anyhow.
    """
    price = value + grain // u64(2)
    if value >= unit:
        large = value >= u64(LARGE) * unit
        cent = max(unit // u64(100), grain)
        if word < under:
            step = unit * u64(10) if large else unit
            price = (value + step // u64(2)) // step * step
            price = price - cent if price > cent else price
        elif word < half_under:
            price = value // unit * unit + unit // u64(2) - cent
        elif word < half:
            price = value // unit * unit + unit // u64(2)
        elif word < whole:
            step = unit * u64(5) if large else unit
            price = (value + step // u64(2)) // step * step
    price = min(price, most)
    return max(price // grain, u64(1)) * grain

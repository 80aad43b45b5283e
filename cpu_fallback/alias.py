"""Picking from an alias table (Walker 1977) with one random word."""

from cpu_fallback.device import device, mul128, u64


@device
def pick_slot(x, first, slots, threshold, alias):
    """Row within the table of `slots` rows from `first` that the word `x` picks.

    The high word of x * slots is the slot. The low word keeps the slot if it is below the slot's threshold,
    else the slot's alias is taken.
    """
    slot, fraction = mul128(x, slots)
    # Both loads first: a select instead of a branch that is wrong every other time.
    other = u64(alias[first + slot])
    return slot if fraction < threshold[first + slot] else other

"""Shares as words: a uniform word lies below the threshold with the chance that the law says."""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array

WHOLE = 1000
"""Shares are in thousandths."""
_EVERY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def below(permille: Array) -> Array:
    """Words below which a share of all words lies: uint64; of 1000 and more, all do.

    Args:
        permille: Integers, not negative.
    """
    step = np.uint64((1 << 64) // WHOLE)
    found: Array = np.where(permille >= WHOLE, _EVERY, permille.astype(np.uint64) * step)
    return found

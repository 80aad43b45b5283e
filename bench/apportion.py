"""Largest remainder of one cell without sorting it, and over pieces of it that never meet:
the same units for the same rows.

The recipe (`sim/recipes/apportion.py`) sorts a whole cell by (remainder falling, chance, row) and gives one
more unit to the first `left` rows. Only the key of the last row served is needed to know who is served, and
it can be found by counting: each piece counts its rows by 16 bits of the key at a time, from the top; the
counts (65,536 numbers a piece and round) are added up, which says in which bin the threshold lies; the next
round counts only rows in that bin. After 4 rounds for the remainder and 4 for the chance word the threshold
is exact, and rows equal to it are served in order of row, so each piece needs to know how many such rows come
before it. Pieces exchange 8 tables of counts, whatever their size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
BITS, ROUNDS = 16, 4
BINS = 1 << BITS


def served_by_sorting(remainder: Words, chance: Words, left: int) -> npt.NDArray[np.bool_]:
    """Which rows get one more unit, as the recipe does it: n booleans."""
    served = np.zeros(len(remainder), dtype=np.bool_)
    served[np.lexsort((chance, ~remainder))[:left]] = True
    return served


def served_by_counting(pieces: Sequence[tuple[Words, Words]], left: int) -> list[npt.NDArray[np.bool_]]:
    """The same, over pieces (remainder, chance) of adjacent rows of a cell;
    `left` is at most their number of rows.

    Returns:
        n booleans a piece.
    """
    if left == 0:
        return [np.zeros(len(remainder), dtype=np.bool_) for remainder, _ in pieces]
    # Smaller keys first, so the remainder is turned round.
    keys = [(~remainder, chance) for remainder, chance in pieces]
    open_ = [np.ones(len(remainder), dtype=np.bool_) for remainder, _ in pieces]
    served = [np.zeros(len(remainder), dtype=np.bool_) for remainder, _ in pieces]
    for word in (0, 1):
        for step in range(ROUNDS):
            shift = np.uint64(64 - BITS * (step + 1))
            digits = [(key[word] >> shift) & np.uint64(BINS - 1) for key in keys]
            counts = [
                np.bincount(digit[still].astype(np.int64), minlength=BINS)
                for digit, still in zip(digits, open_, strict=True)
            ]
            before = np.cumsum(np.sum(counts, axis=0, dtype=np.int64))
            threshold = int(np.searchsorted(before, left, side="left"))
            left -= int(before[threshold - 1]) if threshold else 0
            for number, digit in enumerate(digits):
                served[number] |= open_[number] & (digit < np.uint64(threshold))
                open_[number] &= digit == np.uint64(threshold)
    for number, still in enumerate(open_):  # equal in every bit: in order of row, over all pieces
        taken = np.flatnonzero(still)[:left]
        served[number][taken] = True
        left -= len(taken)
    return served

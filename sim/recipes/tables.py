"""Alias tables over groups of rows, and picks from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_lengths
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

ALIAS_BUILD_NEEDS = Needs(kernels=("alias_build",))
ALIAS_PICK_NEEDS = Needs(kernels=("alias_pick",))


@dataclass(frozen=True)
class AliasTables:
    """Concatenated alias tables, one a group.

    Attributes:
        offsets: uint64, g + 1.
        threshold: uint64, n: a slot is kept when the fraction word is below it.
        alias: uint32, n: the slot taken otherwise, counted inside the group.
    """

    offsets: Array
    threshold: Array
    alias: Array

    def pick(self, ctx: Context, words: Array, group: Array) -> Array:
        """Row index drawn for each word.

        Args:
            ctx: Context.
            words: uint64, m: one random word a pick.
            group: int64, m: which table each pick uses.

        Returns:
            int64, m: index into the concatenated rows.
        """
        starts = self.offsets[:-1][group]
        sizes = run_lengths(self.offsets).astype(np.uint32)[group]
        slots = ctx.kernels.alias_pick(
            x=words, start=starts, size=sizes, threshold=self.threshold, alias=self.alias
        )
        rows: Array = (starts + slots.astype(np.uint64)).astype(np.int64)
        return rows


def build_alias(ctx: Context, offsets: Array, weight: Array) -> AliasTables:
    """Alias tables of integer weights (Vose 1991).

    Args:
        ctx: Context.
        offsets: uint64, g + 1: non-empty groups of adjacent rows.
        weight: uint64, n: each group needs a positive sum.
    """
    threshold, alias, *_ = ctx.kernels.alias_build(offset=offsets, weight=weight)
    return AliasTables(offsets, threshold, alias)

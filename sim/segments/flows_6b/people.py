"""Parties as 6B addresses them: by the natural key of 6A, their rank in their country and segment."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

SUMMARY = "s1_party_summary_6A"

PARTY_KEYS_NEEDS = Needs(reads={SUMMARY: ROW_LEVEL}, kernels=("entity_hash",))
PARTY_WORDS_NEEDS = Needs(uses=(PARTY_KEYS_NEEDS,))


def party_keys(ctx: Context, numbers: Array) -> Frame:
    """Natural key of parties: `party_rank` and `party_cell` (uint64), `country_iso` and `segment_id`.

    Args:
        ctx: Context.
        numbers: uint64, n: natural numbers, in any order.
    """
    cells = ctx.load(SUMMARY, columns=("country_iso", "segment_id", "first_party_no"))
    at = np.searchsorted(cells.first_party_no, numbers, side="right") - 1
    names = [ctx.name_hashes("country")[cells.country_iso], ctx.name_hashes("segment")[cells.segment_id]]
    cell = ctx.field("party_cell", country_name=names[0], segment_name=names[1])
    return Frame(
        {
            "party_rank": numbers - cells.first_party_no[at],
            "party_cell": cell[at],
            "country_iso": cells.country_iso[at],
            "segment_id": cells.segment_id[at],
        }
    )


def party_words(ctx: Context, numbers: Array) -> Array:
    """One word a party that stands for it in addresses (field `party`): uint64, n.

    Args:
        ctx: Context.
        numbers: uint64, n: natural numbers, in any order.
    """
    keys = party_keys(ctx, numbers)
    return ctx.field("party", party_rank=keys.party_rank, party_cell=keys.party_cell)

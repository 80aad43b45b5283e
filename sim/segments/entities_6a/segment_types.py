"""Which type of party each segment is of."""

from __future__ import annotations

import numpy as np

from sim.recipes.terms import require_terms
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

SEGMENT_TYPES_NEEDS = Needs(config=("party_taxonomy_6A",))


def segment_types(ctx: Context) -> Array:
    """Party type code of each segment code: int16."""
    segments = ctx.params.party_taxonomy_6A.segments
    names = ctx.vocabulary("segment")
    require_terms(ctx, segments, names, "party_taxonomy_6A.segments", "segment")
    types = ctx.vocabulary("party_type")
    for name in names:
        require_terms(
            ctx,
            [segments[name].party_type],
            types,
            f"party_taxonomy_6A.segments.{name}.party_type",
            "party_type",
            False,
        )
    return np.array([types.index(segments[name].party_type) for name in names], dtype=np.int16)

"""6B.S1: how much, how expensively and when each party pays, and the cells they live in.

Behaviour is drawn at the natural key of the party. A metro's cells hold as many parties each; they are what
merchants draw their customers from (6B.S2).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.flows_6b.people import PARTY_KEYS_NEEDS, party_keys
from sim.segments.flows_6b.s1_behaviour.cells import (
    CELLS_NEEDS,
    PARTIES,
    cell_rows,
    cells_of,
    cut_of,
    uneven,
)
from sim.segments.flows_6b.s1_behaviour.checks import (
    BEHAVIOUR_CHECKS_NEEDS,
    STREAM,
    BehaviourCounts,
    behaviour_checks,
    behaviour_measure,
    count_behaviour,
    count_cells,
)
from sim.segments.flows_6b.s1_behaviour.holding import HOLDING_NEEDS, holding
from sim.segments.flows_6b.s1_behaviour.law import BEHAVIOUR_LAW_NEEDS, behaviour, require_behaviour
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals

STATE = State(
    id="6B.S1",
    title="Behaviour of parties",
    reads={PARTIES: ROW_LEVEL},
    writes=("party_behaviour_6B", "cells_6B"),
    streams=(STREAM,),
    counts=(BehaviourCounts,),
    uses=(
        BEHAVIOUR_CHECKS_NEEDS,
        BEHAVIOUR_LAW_NEEDS,
        CELLS_NEEDS,
        HOLDING_NEEDS,
        PARTY_KEYS_NEEDS,
        WORDS_NEEDS,
    ),
)

_COLUMNS = (
    "party_id",
    "country_iso",
    "segment_id",
    "home_city_id",
    "home_lat_deg",
    "home_lon_deg",
    "birth_year",
    "income_band",
)


def preflight(ctx: Context) -> None:
    """Refuse a prior that contradicts itself."""
    require_behaviour(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries, so whole metros."""
    found = cut_of(ctx)
    edges = np.cumsum([0, *(file.rows for file in ctx.files(PARTIES))]).tolist()
    parts = []
    for index, (first, stop) in enumerate(pairwise(edges)):
        countries = ctx.load(PARTIES, part=index, columns=("country_iso",)).country_iso
        mine = np.isin(found.metros.country, np.unique(countries))
        parts.append(
            Partition(
                index,
                spec={
                    "first_party": first + 1,
                    "cells": int(found.cells[mine].sum()),
                },
                weight=stop - first,
            )
        )
    return parts


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Behaviour and cells of the parties of a run of countries."""
    parties = ctx.load(PARTIES, part=part.index, columns=_COLUMNS)
    first = int(part.spec["first_party"])
    keys = party_keys(ctx, parties.party_id)
    drawn = words(ctx, STREAM, party_rank=keys.party_rank, party_cell=keys.party_cell)
    cards = holding(ctx, part.index, first, len(parties))
    made = behaviour(ctx, drawn, parties, cards.present("can_pay_from"))
    found = cut_of(ctx)
    cell = cells_of(found, parties)
    rows = Frame(
        {
            "party_id": parties.party_id,
            "cell_id": cell.astype(np.uint32),
            **dict(made.items()),
            **dict(cards.items()),
        },
        cards.valid,
    )
    cells = cell_rows(found, parties, cell, made)
    count_behaviour(ctx, rows, parties)
    count_cells(ctx, cells, int(part.spec["cells"]), uneven(found, cells))
    return {"party_behaviour_6B": rows, "cells_6B": cells}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `behaviour_checks`."""
    return behaviour_checks(ctx, totals)


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `behaviour_measure`."""
    return behaviour_measure(totals)

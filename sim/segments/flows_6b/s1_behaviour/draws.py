"""How behaviour finds its draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import INTEGER, NORMAL, UNIFORM, Drawn, Explained, MadeOf, Word, at
from sim.segments.flows_6b.people import party_keys
from sim.segments.flows_6b.s1_behaviour.checks import STREAM
from sim.segments.flows_6b.s1_behaviour.law import HOUR
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame

_ROWS = "party_behaviour_6B"


def _everybody(ctx: Context, part: Partition, rows: Frame) -> Frame:
    keys = party_keys(ctx, rows.party_id)
    return at(rows, np.arange(len(rows)), **dict(keys.items()))


EXPLAINED = Explained(
    (
        Drawn(
            _ROWS,
            STREAM,
            (
                Word(0, UNIFORM, "whether a card holder pays: below the active share"),
                Word(1, NORMAL, "activity_q: tilt x lognormal"),
                Word(2, NORMAL, "online_q: generation x lognormal"),
                Word(3, NORMAL, "spend_level: income x lognormal"),
                Word(4, NORMAL, "clock_shift_minutes", "clock_shift_minutes"),
                Word(5, INTEGER, "phase_minutes", "phase_minutes", below=HOUR),
            ),
            _everybody,
        ),
    ),
    (MadeOf("cells_6B", _ROWS, "its parties", {"cell_id": "cell_id"}),),
)
"""How rows of 6B.S1 are explained."""

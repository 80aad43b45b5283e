"""Checks many states share."""

from __future__ import annotations

from sim.state.declaration import Check
from sim.state.totals import Totals


def ledger_check(totals: Totals, stream: str, entities: int, draws: int) -> Check:
    """The ledger of a stream against counts recomputed from the rows.

    Args:
        totals: What the state counted and drew.
        stream: Stream id, of a fixed number of draws.
        entities: Entities counted in the rows.
        draws: Draws one entity makes.
    """
    found = list(totals.drawn(stream))
    expected = [entities, entities * draws, entities * ((draws + 1) // 2)]
    return Check(
        f"ledger {stream}",
        found == expected,
        found,
        expected,
        "entities, draws and blocks equal what the rows say",
    )


def between_check(name: str, found: int, bounds: tuple[int, int], note: str) -> Check:
    """An integer figure against inclusive bounds."""
    return Check(name, bounds[0] <= found <= bounds[1], found, list(bounds), note)

"""Checks many states share."""

from __future__ import annotations

from sim.state.declaration import Check, Totals


def ledger_check(totals: Totals, stream: str, entities: int, draws: int) -> Check:
    """The ledger of a stream against counts recomputed from the rows.

    Args:
        totals: Counters and ledger sums of the state.
        stream: Stream id, of a fixed number of draws.
        entities: Entities counted in the rows.
        draws: Draws one entity makes.
    """
    found = [int(totals[f"rng.{stream}.{figure}"]) for figure in ("entities", "draws", "blocks")]
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

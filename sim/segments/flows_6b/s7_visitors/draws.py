"""What seats of visitors are made of: they draw nothing."""

from __future__ import annotations

from sim.recipes.drawn import Explained, MadeOf

EXPLAINED = Explained(
    (),
    (MadeOf("visitors_6B", "trips_6B", "its trip", {"party_id": "party_id", "trip_no": "trip_no"}),),
)
"""How rows of 6B.S7 are explained."""

"""Ranges of published parties: what payers' files are cut into, and what payments are made in."""

from __future__ import annotations

from sim.state.context import Context
from sim.state.declaration import METADATA_ONLY, Needs

ARRIVALS = "arrival_events_5B"
PARTY_RANGES_NEEDS = Needs(config=("payer_law_6B",), reads={ARRIVALS: METADATA_ONLY})


def range_width(ctx: Context, parties: int) -> int:
    """Parties in a range: so many that a range has about `rows_a_range` arrivals."""
    most = max(sum(file.rows for file in ctx.files(ARRIVALS, scenario)) for scenario in ctx.scenarios)
    ranges = max(1, -(-most // int(ctx.params.payer_law_6B.rows_a_range)))
    return max(1, -(-parties // ranges))

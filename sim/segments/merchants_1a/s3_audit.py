"""1A.S3: audit of the whole catalogue - each site id names one outlet of the world.

Partitions make the ids, so no earlier state sees all of them.

Ids are hashes of the outlet's key: n outlets collide with probability below n**2 / 2**65, so this refuses
some three worlds of ten million outlets in a million.
"""

from __future__ import annotations

import numpy as np

from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.totals import Totals


class Counts(Counters):
    """Outlets looked at, and those whose site id another has."""

    outlets = Scalar()
    repeated = Scalar()


STATE = State(
    id="1A.S3",
    title="Audit of outlets",
    reads={"outlet_catalogue": ROW_LEVEL},
    writes=(),
    counts=(Counts,),
)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Count repeated site ids over all parts."""
    site_id = np.sort(ctx.load("outlet_catalogue", columns=("site_id",)).site_id)
    ctx.count(Counts.outlets, len(site_id))
    ctx.count(Counts.repeated, np.count_nonzero(site_id[1:] == site_id[:-1]))
    return {}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """No id names two outlets."""
    seen = Counts(totals)
    rows = sum(file.rows for file in ctx.files("outlet_catalogue"))
    return [
        Check(
            "site ids name one outlet each",
            seen.repeated == 0,
            seen.repeated,
            0,
            "site_id is unique over all merchants",
        ),
        Check(
            "all outlets looked at",
            seen.outlets == rows,
            seen.outlets,
            rows,
            "rows of the published catalogue",
        ),
    ]

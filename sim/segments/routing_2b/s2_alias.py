"""2B.S2: alias tables of sites per (merchant, country, tzid): what 5B routes physical arrivals by.

Exact integers (Walker 1977; Vose 1991): a slot is taken with probability weight_q / sum, off by less than
(size + 1) * 2**-64.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.tables import ALIAS_BUILD_NEEDS, build_alias
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, alias_deviation
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals


class Counts(Counters):
    """Slots, and partitions with a slot off its weight."""

    slots = Scalar()
    wrong_tables = Scalar()


STATE = State(
    id="2B.S2",
    title="Site alias tables",
    reads={"s1_site_weights_2B": ROW_LEVEL},
    writes=("s2_alias_2B",),
    counts=(Counts,),
    uses=(ALIAS_BUILD_NEEDS, EXACT_WEIGHTS_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file: files hold whole merchants."""
    return [Partition(index) for index in range(len(ctx.files("s1_site_weights_2B")))]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Tables of the merchants of one file."""
    columns = ("merchant_id", "legal_country_iso", "tzid", "site_id", "weight_q")
    sites = ctx.load("s1_site_weights_2B", part=part.index, columns=columns).sort(
        "merchant_id", "legal_country_iso", "tzid"
    )
    offsets = run_offsets(sites.merchant_id, sites.legal_country_iso, sites.tzid)
    tables = build_alias(ctx, offsets, sites.weight_q)
    slot = np.arange(len(sites)) - offsets[:-1].astype(np.int64)[run_of_row(offsets)]
    ctx.count(Counts.slots, len(sites))
    ctx.count(Counts.wrong_tables, int(alias_deviation(ctx, tables, sites.weight_q) > 0))
    keys = dict(sites.select("merchant_id", "legal_country_iso", "tzid").items())
    return {
        "s2_alias_2B": Frame(
            {
                **keys,
                "slot": slot.astype(np.uint32),
                "threshold": tables.threshold,
                "alias_slot": tables.alias,
                "site_id": sites.site_id,
            }
        )
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """A slot for every site, picked as its weight says."""
    seen = Counts(totals)
    sites = sum(file.rows for file in ctx.files("s1_site_weights_2B"))
    wrong = seen.wrong_tables
    return [
        Check("one slot a site", seen.slots == sites, seen.slots, sites),
        Check(
            "slots are picked by weight",
            wrong == 0,
            wrong,
            0,
            "partitions with a slot off its weight, recomputed from the tables",
        ),
    ]

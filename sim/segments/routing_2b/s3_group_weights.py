"""2B.S3: share of each (country, tzid) in a merchant's sites: how 5A splits physical demand."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.weights import WEIGHT_TOTAL, as_share
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals

SCALE_BITS = 20


class Counts(Counters):
    """Sites and merchants, and the weight of their groups in 2**-20 of a merchant."""

    sites = Scalar()
    merchants = Scalar()
    weight_units = Scalar()


STATE = State(
    id="2B.S3",
    title="Zone shares",
    reads={"s1_site_weights_2B": ROW_LEVEL},
    writes=("s4_group_weights_2B",),
    counts=(Counts,),
)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file: files hold whole merchants."""
    return [Partition(index) for index in range(len(ctx.files("s1_site_weights_2B")))]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Sums over the sites of each group; integers, so in any order."""
    columns = ("merchant_id", "legal_country_iso", "tzid", "site_scale", "weight_q")
    sites = ctx.load("s1_site_weights_2B", part=part.index, columns=columns).sort(
        "merchant_id", "legal_country_iso", "tzid"
    )
    offsets = run_offsets(sites.merchant_id, sites.legal_country_iso, sites.tzid)
    first = offsets[:-1].astype(np.int64)
    keys = sites.select("merchant_id", "legal_country_iso", "tzid").take(first)
    weight_q = sum_by_run(sites.weight_q, offsets)
    ctx.count(Counts.sites, len(sites))
    ctx.count(Counts.merchants, len(run_offsets(sites.merchant_id)) - 1)
    ctx.count(Counts.weight_units, int(weight_q.sum()) >> 20)
    groups = Frame(
        {
            **dict(keys.items()),
            "sites": np.diff(offsets).astype(np.uint32),
            "weight_q": weight_q,
            "p_group": as_share(weight_q),
            "site_scale_q": sum_by_run(fixed_point(sites.site_scale, SCALE_BITS), offsets),
        }
    )
    return {"s4_group_weights_2B": groups}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Sites and weights are conserved."""
    seen = Counts(totals)
    rows = sum(file.rows for file in ctx.files("s1_site_weights_2B"))
    units = seen.merchants * (WEIGHT_TOTAL >> 20)
    return [
        Check("every site is in one group", seen.sites == rows, seen.sites, rows),
        Check(
            "weights are conserved",
            seen.weight_units == units,
            seen.weight_units,
            units,
            "in 2**-20 of a merchant",
        ),
    ]

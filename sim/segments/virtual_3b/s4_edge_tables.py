"""3B.S4: alias tables of edges per (merchant, country, tzid), zones' shares, routing policy, a hash.

The hash does not depend on the order of the edges.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, country_zone_entity, pair_entity
from sim.recipes.groups import run_of_row, run_offsets, sum_by_run, whole_sum
from sim.recipes.tables import ALIAS_BUILD_NEEDS, build_alias
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, WEIGHT_TOTAL, alias_deviation, as_share
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_KEYS = ("merchant_id", "country_iso", "tzid")


class Counts(Counters):
    """Edges and merchants, and the weight of their groups in 2**-20 of a merchant."""

    edges = Scalar()
    merchants = Scalar()
    weight_units = Scalar()
    wrong_tables = Scalar()
    hashes = Scalar()


STATE = State(
    id="3B.S4",
    title="Edge tables",
    reads={"edge_catalogue_3B": ROW_LEVEL},
    config=("virtual_policy_3B", "edge_policy_3B"),
    writes=("edge_alias_3B", "edge_group_weights_3B", "virtual_routing_policy_3B", "edge_universe_hash_3B"),
    counts=(Counts,),
    uses=(ALIAS_BUILD_NEEDS, ENTITY_NEEDS, EXACT_WEIGHTS_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file: files hold whole merchants."""
    return [Partition(index) for index in range(len(ctx.files("edge_catalogue_3B")))]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Tables and shares of the merchants of one file."""
    edges = ctx.load("edge_catalogue_3B", part=part.index, columns=(*_KEYS, "edge_id", "weight_q"))
    offsets = run_offsets(edges.merchant_id, edges.country_iso, edges.tzid)
    first = offsets[:-1].astype(np.int64)
    tables = build_alias(ctx, offsets, edges.weight_q)
    slot = (np.arange(len(edges)) - first[run_of_row(offsets)]).astype(np.uint32)
    weight_q = sum_by_run(edges.weight_q, offsets)
    place = country_zone_entity(ctx, edges.country_iso, edges.tzid)
    row_hash = pair_entity(
        ctx, pair_entity(ctx, edges.merchant_id, place), pair_entity(ctx, edges.edge_id, edges.weight_q)
    )
    ctx.count(Counts.edges, len(edges))
    ctx.count(Counts.merchants, len(run_offsets(edges.merchant_id)) - 1)
    ctx.count(Counts.weight_units, int(weight_q.sum()) >> 20)
    ctx.count(Counts.wrong_tables, int(alias_deviation(ctx, tables, edges.weight_q) > 0))
    ctx.count(Counts.hashes, whole_sum(row_hash))
    keys = edges.select(*_KEYS)
    return {
        "edge_alias_3B": keys.with_columns(
            slot=slot, threshold=tables.threshold, alias_slot=tables.alias, edge_id=edges.edge_id
        ),
        "edge_group_weights_3B": keys.take(first).with_columns(
            edges=np.diff(offsets).astype(np.uint32), weight_q=weight_q, p_group=as_share(weight_q)
        ),
    }


def finish(ctx: Context, totals: Totals) -> Frames:
    """The figures of the policies that routing was built with, and the hash of all edges."""
    seen = Counts(totals)
    edge, share = ctx.params.edge_policy_3B, ctx.params.virtual_policy_3B.hybrid_share
    whole = {"rows": seen.edges, "merchants": seen.merchants, "universe_hash": seen.hashes % (1 << 64)}
    counts = {"edges_min": edge.edges_min, "edges_max": edge.edges_max}
    reals = {
        "hybrid_share_cnp_low": share.card_not_present.low,
        "hybrid_share_cnp_high": share.card_not_present.high,
        "hybrid_share_mixed_low": share.mixed.low,
        "hybrid_share_mixed_high": share.mixed.high,
        "edge_weight_sigma": edge.weight_sigma,
        "country_breadth": edge.country_breadth,
        "jitter_reach": edge.jitter_reach,
    }
    policy: dict[str, Array] = {
        "weight_total": np.array([WEIGHT_TOTAL], dtype=np.uint64),
        **{name: np.array([value], dtype=np.uint32) for name, value in counts.items()},
        **{name: np.array([value], dtype=np.float64) for name, value in reals.items()},
    }
    return {
        "virtual_routing_policy_3B": Frame(policy),
        "edge_universe_hash_3B": Frame(
            {name: np.array([value], dtype=np.uint64) for name, value in whole.items()}
        ),
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Edges and weights are conserved, slots are picked by weight, and edge ids are unique in the world."""
    seen = Counts(totals)
    rows = sum(file.rows for file in ctx.files("edge_catalogue_3B"))
    units = seen.merchants * (WEIGHT_TOTAL >> 20)
    wrong = seen.wrong_tables
    ids = np.sort(ctx.load("edge_catalogue_3B", columns=("edge_id",)).edge_id)
    twins = int((ids[1:] == ids[:-1]).sum())
    return [
        Check("one slot an edge", seen.edges == rows, seen.edges, rows),
        Check(
            "weights are conserved",
            seen.weight_units == units,
            seen.weight_units,
            units,
            "in 2**-20 of a merchant",
        ),
        Check(
            "slots are picked by weight",
            wrong == 0,
            wrong,
            0,
            "partitions with a slot off its weight, recomputed from the tables",
        ),
        Check("edge ids are unique", twins == 0, twins, 0, "over all merchants"),
    ]

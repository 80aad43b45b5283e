"""3B.S3: an online merchant's edges, the places of its customers with their shares of online demand.

A merchant draws a reach (REGIONAL, CONTINENTAL, GLOBAL) and a number of edges (lognormal, more for bigger
brands); each edge draws a country from the law of its merchant's home and reach, a place by its homes, a
point near it, and a lognormal weight. Edges are addressed by merchant and rank, so another merchant or a
longer list changes none of them.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.join import look_up
from sim.recipes.land import LAND_NEEDS, LandCounts, count_at_sea, enter, land_checks, landed
from sim.recipes.partitions import row_ranges, rows_of
from sim.recipes.places import DISK_NEEDS, PLACES_NEEDS, world_places
from sim.recipes.tables import ALIAS_PICK_NEEDS
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, POWER_NEEDS, as_share, exact_weights, power
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.virtual_3b.countries import COUNTRIES_NEEDS, country_law
from sim.segments.virtual_3b.edge_checks import EDGE_CHECKS_NEEDS, EdgeCounts, count_edges, edge_checks
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any
from sim.state.totals import Totals

FOOTPRINT, EDGE, AGAIN = "3B.footprint", "3B.edge", "3B.edge_again"
# ASCII "edge" above the rank: ids of edges and of other things never share a key
_EDGE_TAG = np.uint64(0x6564676500000000)

STATE = State(
    id="3B.S3",
    title="Edges",
    reads={
        "virtual_settlement_3B": ROW_LEVEL,
        "virtual_classification_3B": ROW_LEVEL,
        "merchant_catalogue_1A": ROW_LEVEL,
    },
    config=("edge_policy_3B",),
    writes=("edge_catalogue_3B",),
    streams=(FOOTPRINT, EDGE, AGAIN),
    kernels=("bounded_integer", "lognormal_factor", "expand_rows"),
    counts=(EdgeCounts, LandCounts),
    uses=(
        ALIAS_PICK_NEEDS,
        COUNTRIES_NEEDS,
        DISK_NEEDS,
        EDGE_CHECKS_NEEDS,
        ENTITY_NEEDS,
        EXACT_WEIGHTS_NEEDS,
        LAND_NEEDS,
        PLACES_NEEDS,
        POWER_NEEDS,
        WORDS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """A policy that contradicts itself is refused before anything is built."""
    policy = ctx.params.edge_policy_3B
    sums = {mode: sum(mix[reach] for reach in mix) for mode, mix in policy.reach_permille.items()}
    faults = [
        Fault(f"edge_policy_3B.reach_permille.{mode}", f"reach_permille.{mode} sums to {total}, not 1000")
        for mode, total in sums.items()
        if total != 1000
    ]
    if policy.edges_min > policy.edges_max:
        faults.append(
            Fault(
                "edge_policy_3B.edges_min", f"edges_min > edges_max: {policy.edges_min} > {policy.edges_max}"
            )
        )
    refuse_any(
        ctx,
        "POLICY_IMPOSSIBLE",
        "the edge policy contradicts itself",
        faults,
        do="correct the pack or the override",
    )


def plan(ctx: Context) -> list[Partition]:
    """Ranges of online merchants."""
    return row_ranges(sum(file.rows for file in ctx.files("virtual_settlement_3B")), 1 << 14)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """All edges of a range of online merchants."""
    policy, law = ctx.params.edge_policy_3B, country_law(ctx)
    online = ctx.load(
        "virtual_settlement_3B", rows=rows_of(part), columns=("merchant_id", "settlement_country_iso")
    )
    reach, count = _footprint(ctx, online.merchant_id)
    cell = reach * law.countries + online.settlement_country_iso
    offsets = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(count)))
    owner, rank = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    merchant_id = online.merchant_id[owner]
    # Country, city, weight, and three for the point.
    x = words(ctx, EDGE, edge_rank=rank, merchant_id=merchant_id)
    drawn = law.tables.pick(ctx, x[0], cell[owner])
    country = (drawn % law.countries).astype(np.int16)
    cities = world_places(ctx, "homes")
    city = cities.pick(ctx, x[1], country)
    first = cities.around(ctx, city, (x[3], x[4], x[5]), policy.jitter_reach)
    fields = {"edge_rank": rank, "merchant_id": merchant_id}
    found = landed(ctx, cities, city, first, policy.jitter_reach, AGAIN, **fields)
    enter(ctx, found)
    count_at_sea(ctx, cities, city, found.lat, found.lon)
    spread = np.full(len(city), policy.weight_sigma)
    taste = ctx.kernels.lognormal_factor(x=x[2], mu=spread * spread * -0.5, sigma=spread)
    weight_q = exact_weights(ctx, fixed_point(taste * law.weight[drawn], 32), offsets)
    edges = {
        "merchant_id": merchant_id,
        "country_iso": country,
        "tzid": cities.frame.tzid[city],
        "edge_id": edge_ids(ctx, merchant_id, rank.astype(np.uint64)),
        "city_id": cities.frame.city_id[city],
        "lat_deg": found.lat,
        "lon_deg": found.lon,
        "weight_q": weight_q,
        "p_weight": as_share(weight_q),
    }
    frame = Frame(edges).sort("merchant_id", "country_iso", "tzid", "edge_id")
    count_edges(ctx, law, online, frame, cell)
    return {"edge_catalogue_3B": frame}


def edge_ids(ctx: Context, merchant_id: Array, rank: Array) -> Array:
    """Ids of a merchant's edges by their rank from 0 (uint64, n): uint64, n."""
    return id_of(pair_entity(ctx, merchant_id, rank | _EDGE_TAG))


def _footprint(ctx: PartitionContext, merchant_id: Array) -> tuple[Array, Array]:
    """Reach code (int64) and number of edges (uint64) of each merchant: two draws."""
    policy = ctx.params.edge_policy_3B
    classes = ctx.load("virtual_classification_3B", columns=("merchant_id", "virtual_mode"))
    mode = classes.virtual_mode[look_up(classes.merchant_id, merchant_id)]
    brands = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "brand_factor"))
    brand = brands.brand_factor[look_up(brands.merchant_id, merchant_id)]
    x0, x1 = words(ctx, FOOTPRINT, merchant_id=merchant_id)
    per_mille = ctx.kernels.bounded_integer(
        x=x0, bound=np.full(len(merchant_id), 1000, dtype=np.uint64)
    ).astype(np.int64)
    reaches = ctx.vocabulary("virtual_reach")
    limits = np.zeros((len(ctx.vocabulary("virtual_mode")), len(reaches)), dtype=np.int64)
    for name, shares in policy.reach_permille.items():
        limits[ctx.code("virtual_mode", name)] = np.cumsum([shares[reach] for reach in reaches])
    reach = (per_mille[:, None] >= limits[mode]).sum(axis=1)
    median = np.array([policy.reach[name].edges_median for name in reaches], dtype=np.float64)[reach]
    spread = np.full(len(merchant_id), policy.edges_sigma)
    factor = ctx.kernels.lognormal_factor(x=x1, mu=np.zeros(len(merchant_id)), sigma=spread)
    wanted = np.floor(median * power(ctx, brand, policy.edges_brand_exponent) * factor + 0.5)
    return reach, np.clip(wanted, policy.edges_min, policy.edges_max).astype(np.uint64)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `edge_checks` and `land_checks`."""
    return [*edge_checks(ctx, totals, FOOTPRINT, EDGE), *land_checks(totals, AGAIN, "edges")]

"""Where a key's arrivals can go: its coin, its tables of sites and edges, and the terminals of each site.

Of what kind an arrival is follows from where it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.join import match
from sim.recipes.tables import ALIAS_BUILD_NEEDS, build_alias
from sim.segments.arrivals_5b.keys import settlement_of_key, show, table_of_key
from sim.segments.arrivals_5b.kinds import KINDS, KINDS_NEEDS, kind_at_sites
from sim.segments.arrivals_5b.open_parts import OpenParts
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

TERMINALS = "s4_site_terminals_2B"
TILL = "5B.arrival_terminal"
ALWAYS = np.uint64(0xFFFFFFFFFFFFFFFF)
_COIN_BITS = 53  # a float64 share has no more; the other bits of the threshold are 0

ROUTES_NEEDS = Needs(
    reads={
        "edge_alias_3B": ROW_LEVEL,
        "s2_alias_2B": ROW_LEVEL,
        TERMINALS: ROW_LEVEL,
        "virtual_settlement_3B": ROW_LEVEL,
    },
    config=("arrival_routing_policy_5B",),
    streams=(TILL,),
    uses=(ALIAS_BUILD_NEEDS, KINDS_NEEDS),
)


@dataclass(frozen=True)
class Routes:
    """Where arrivals of a partition's keys go.

    Attributes:
        arguments: Those of kernel `route_arrivals` for keys, places and terminals.
        settlement: int16, one a key: settlement zone.
        tills: bool, one a key: whether its sites have terminals, which its arrivals draw.
    """

    arguments: Mapping[str, Array | int]
    settlement: Array
    tills: Array


def coin_of(share: Array) -> Array:
    """Threshold of the virtual coin: floor(share * 2**53) << 11, and 2**64 - 1 (always) for a share of 1."""
    coin = np.floor(share * np.float64(1 << _COIN_BITS)).astype(np.uint64) << np.uint64(64 - _COIN_BITS)
    return np.where(share >= 1.0, ALWAYS, coin)


def routes_of(
    ctx: PartitionContext, part: Partition, keys: Frame, key_row: Array, parts: OpenParts
) -> Routes:
    """Routes of a partition's keys.

    Args:
        ctx: Context of 5B.S4.
        part: Its spec gives the row ranges of the tables.
        keys: Rows of merchant_zone_profile_5A.
        key_row: uint32: keys that have arrivals.
        parts: Open parts of count rows: which part of their arrivals edges serve, and recurs.

    Raises:
        ValidationError: A key with arrivals lacks a table its coin can need: `SITE_TABLE_MISSING`,
            `EDGE_TABLE_MISSING`; or its merchant has no settlement zone: `SETTLEMENT_MISSING`.
    """
    site = ctx.load("s2_alias_2B", rows=tuple(part.spec["s2_alias_2B"]))
    edge = ctx.load("edge_alias_3B", rows=tuple(part.spec["edge_alias_3B"]))
    site_first, site_slots = table_of_key(keys, site, "legal_country_iso")
    edge_first, edge_slots = table_of_key(keys, edge, "country_iso")
    coin = coin_of(keys.virtual_share)
    rows = np.bincount(key_row, minlength=len(keys))
    lost = (rows > 0) & (coin != ALWAYS) & (site_slots == 0)
    _require(
        ctx,
        keys,
        rows,
        lost,
        "SITE_TABLE_MISSING",
        "no alias table in s2_alias_2B",
        "2B publishes tables for zones that own a site",
    )
    lost = (rows > 0) & (coin > 0) & (edge_slots == 0)
    _require(
        ctx,
        keys,
        rows,
        lost,
        "EDGE_TABLE_MISSING",
        "no alias table in edge_alias_3B",
        "3B publishes tables for zones that own an edge",
    )
    settlement = keys.tzid
    if ctx.params.arrival_routing_policy_5B.virtual_settlement == "merchant":
        settlement = settlement_of_key(
            keys, ctx.load("virtual_settlement_3B", rows=tuple(part.spec["virtual_settlement_3B"]))
        )
        lost = (rows > 0) & (coin > 0) & (settlement < 0)
        _require(
            ctx,
            keys,
            rows,
            lost,
            "SETTLEMENT_MISSING",
            "no row in virtual_settlement_3B",
            "3B settles HYBRID and VIRTUAL_ONLY merchants",
        )
    arguments: dict[str, Array | int] = {
        "virtual_below": coin_of(parts.virtual_share),
        "recurring_below": coin_of(parts.recurring_share),
        "site_kind": kind_at_sites(ctx, keys),
        "edge_kind": ctx.code(KINDS, "CIT"),
        "recurring_kind": ctx.code(KINDS, "MIT_RECURRING"),
        "site_first": site_first,
        "site_slots": site_slots,
        "edge_first": edge_first + np.uint64(len(site)),
        "edge_slots": edge_slots,
        "threshold": np.concatenate([site.threshold, edge.threshold]),
        "alias": np.concatenate([site.alias_slot, edge.alias_slot]),
        "place_id": np.concatenate([site.site_id, edge.edge_id]),
        **_terminals(ctx, part, site.site_id, len(edge)),
    }
    # A merchant takes cards at all of its sites or at none.
    has = np.zeros(len(keys), dtype=np.bool_)
    sold = np.flatnonzero((site_slots > 0) & (coin != ALWAYS))
    has[sold] = arguments["till_slots"][site_first[sold].astype(np.int64)] > 0  # type: ignore[index]
    return Routes(arguments, settlement, has)


def _terminals(ctx: PartitionContext, part: Partition, site_id: Array, edges: int) -> dict[str, Array | int]:
    """Arguments of kernel `route_arrivals` for terminals: tables by site, those of places, sites first."""
    columns = ("site_id", "terminal_id", "weight_q")
    every = ctx.load(TERMINALS, rows=tuple(part.spec[TERMINALS]), columns=columns)
    offsets = run_offsets(every.site_id)  # terminals of a site are adjacent
    tables = build_alias(ctx, offsets, every.weight_q)
    first = offsets[:-1].astype(np.int64)
    order = np.argsort(every.site_id[first], kind="stable")
    row, known = match(every.site_id[first][order], site_id)
    none = np.zeros(edges, dtype=np.uint64)
    begins, many = np.zeros(len(site_id), dtype=np.uint64), np.zeros(len(site_id), dtype=np.uint64)
    if len(order):
        mine = order[row]
        begins[known] = offsets[mine[known]]
        many[known] = run_lengths(offsets)[mine[known]].astype(np.uint64)
    return {
        "till_key": ctx.stream(TILL),
        "till_first": np.concatenate([begins, none]),
        "till_slots": np.concatenate([many, none]).astype(np.uint32),
        "till_threshold": tables.threshold,
        "till_alias": tables.alias,
        "till_id": every.terminal_id,
    }


def _require(ctx: Context, keys: Frame, rows: Array, lost: Array, code: str, lacks: str, why: str) -> None:
    where = np.flatnonzero(lost)
    if len(where) == 0:
        return
    first = f"merchant_zone_profile_5A {keys.merchant_id[where[0]]}"
    refuse(
        ctx,
        code,
        f"arrival expansion cannot route {int(rows[where].sum())} bucket rows",
        expected=(
            "one table per (merchant, country, tzid) with such demand, and a settlement zone per online "
            "merchant"
        ),
        found=f"{lacks} for {len(where)} keys; {why}, 5A gave these zones demand",
        examples=[f"{show(ctx, keys, row)}: {lacks}" for row in where[:5].tolist()],
        total=len(where),
        do=f"closedworld explain RUN {first}   then correct the prior that splits its demand",
        error=ValidationError,
    )

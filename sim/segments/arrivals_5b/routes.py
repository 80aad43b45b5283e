"""Where a key's arrivals can go: its coin, its site table, its edge table; and of what kind they are then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.segments.arrivals_5b.keys import settlement_of_key, show, table_of_key
from sim.segments.arrivals_5b.kinds import KINDS, KINDS_NEEDS, kind_at_sites
from sim.segments.arrivals_5b.open_parts import OpenParts
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

ALWAYS = np.uint64(0xFFFFFFFFFFFFFFFF)
_COIN_BITS = 53  # a float64 share has no more; the other bits of the threshold are 0

ROUTES_NEEDS = Needs(
    reads={"edge_alias_3B": ROW_LEVEL, "s2_alias_2B": ROW_LEVEL, "virtual_settlement_3B": ROW_LEVEL},
    config=("arrival_routing_policy_5B",),
    uses=(KINDS_NEEDS,),
)


@dataclass(frozen=True)
class Routes:
    """Arguments of kernel `route_arrivals` for keys and places, and each key's settlement zone (int16)."""

    arguments: Mapping[str, Array | int]
    settlement: Array


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
    }
    return Routes(arguments, settlement)


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

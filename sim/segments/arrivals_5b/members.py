"""What may serve a key, from the catalogues: sorted id lists with weights.

The alias tables arrivals were drawn from are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_lengths, run_of_row, run_offsets
from sim.recipes.join import match
from sim.segments.arrivals_5b.keys import table_of_key
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame, concat
from sim.state.refuse import refuse

TERMINALS = "s4_site_terminals_2B"
_SITE = {
    "merchant_id": "merchant_id",
    "country": "legal_country_iso",
    "tzid": "tzid",
    "id": "site_id",
    "weight": "weight_q",
}
_EDGE = {
    "merchant_id": "merchant_id",
    "country": "country_iso",
    "tzid": "tzid",
    "id": "edge_id",
    "weight": "weight_q",
}

MEMBERS_NEEDS = Needs(
    reads={
        "edge_catalogue_3B": ROW_LEVEL,
        "s1_site_weights_2B": ROW_LEVEL,
        TERMINALS: ROW_LEVEL,
        "site_timezones": ROW_LEVEL,
    }
)


@dataclass(frozen=True)
class Members:
    """Sites, then edges, in groups of one (merchant, country, zone).

    Attributes:
        id: uint64, p: ascending within a group.
        weight: uint64, p.
        offsets: uint64, g + 1: groups.
        group: int64, p: group of each member.
        sites: How many members are sites.
        site_first, edge_first: uint64, one a key: first member.
        site_count, edge_count: uint32, one a key: members; 0 where the key has none.
        till_first: uint64, p: first terminal of a member.
        till_count: uint32, p: its terminals; 0 where it has none.
        till_id: uint64, t: terminals, ascending within a member.
        till_weight: uint64, t.
        till_offsets: uint64: terminals of each site.
    """

    id: Array
    weight: Array
    offsets: Array
    group: Array
    sites: int
    site_first: Array
    site_count: Array
    edge_first: Array
    edge_count: Array
    till_first: Array
    till_count: Array
    till_id: Array
    till_weight: Array
    till_offsets: Array


def members_of(ctx: Context, part: Partition, keys: Frame) -> Members:
    """Members of a partition's keys.

    Args:
        ctx: Context of 5B.S5.
        part: Its spec gives the row ranges of the catalogues.
        keys: Rows of merchant_zone_profile_5A.
    """
    site = _sites(ctx, part)
    edge = ctx.load(
        "edge_catalogue_3B",
        rows=tuple(part.spec["edge_catalogue_3B"]),
        columns=tuple(_EDGE.values()),
    )
    site_first, site_count = table_of_key(keys, site, "country")
    edge_first, edge_count = table_of_key(keys, edge, "country_iso")
    both = concat([site, Frame({name: edge[source] for name, source in _EDGE.items()})])
    kind = (np.arange(len(both)) >= len(site)).astype(np.uint8)
    offsets = run_offsets(kind, both.merchant_id, both.country, both.tzid)
    shift = np.uint64(len(site))
    return Members(
        both.id,
        both.weight,
        offsets,
        run_of_row(offsets),
        len(site),
        site_first,
        site_count,
        edge_first + shift,
        edge_count,
        *_tills(ctx, part, both.id, len(site)),
    )


def _tills(
    ctx: Context, part: Partition, members: Array, sites: int
) -> tuple[Array, Array, Array, Array, Array]:
    """Terminals of each member: first and how many; ids, weights, and offsets of all, by site and id."""
    every = ctx.load(
        TERMINALS, rows=tuple(part.spec[TERMINALS]), columns=("site_id", "terminal_id", "weight_q")
    ).sort("site_id", "terminal_id")
    offsets = run_offsets(every.site_id)
    row, known = match(every.site_id[offsets[:-1].astype(np.int64)], members)
    known &= np.arange(len(members)) < sites
    first, many = np.zeros(len(members), dtype=np.uint64), np.zeros(len(members), dtype=np.uint32)
    first[known] = offsets[row[known]]
    many[known] = run_lengths(offsets)[row[known]].astype(np.uint32)
    return first, many, every.terminal_id, every.weight_q, offsets


def _sites(ctx: Context, part: Partition) -> Frame:
    """Sites with their zone and weight, by (merchant, country, zone, id).

    2A and 2B must agree on the zone.
    """
    key = ("merchant_id", "legal_country_iso", "site_order", "site_id", "tzid")
    weights = ctx.load(
        "s1_site_weights_2B", rows=tuple(part.spec["s1_site_weights_2B"]), columns=(*key, "weight_q")
    )
    zones = ctx.load("site_timezones", rows=tuple(part.spec["site_timezones"]), columns=key)
    if any(not np.array_equal(weights[name], zones[name]) for name in key):
        refuse(
            ctx,
            "SITE_ZONES_DISAGREE",
            "site_timezones and s1_site_weights_2B differ in a site or its zone",
            found=f"{len(weights)} weighted sites, {len(zones)} sites with a zone",
            expected="the same sites in the same zones",
            do="closedworld verify RUN --deep; if it passes, this is a defect of 2B.S1",
            error=ValidationError,
        )
    order = np.lexsort((weights.site_id, weights.tzid, weights.legal_country_iso, weights.merchant_id))
    return Frame({name: weights[source][order] for name, source in _SITE.items()})

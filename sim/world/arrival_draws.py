"""The draws behind one arrival, found back from the published row.

An arrival's address holds its rank in its bucket before the bucket was put in time order, which no column
tells. Every rank of the bucket is tried: the one whose second placing word gives the arrival's offset inside
its slot, and whose routing words lead to the arrival's own place, is the one. All arithmetic is on Python
integers.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.recipes.entities import zone_entity
from sim.rng import block, stream_key
from sim.state.context import Context
from sim.world.addresses import Draw, draws_at
from sim.world.handle import World
from sim.world.lookup import FoundRow, rows_with

PLACE, ROUTE = "5B.arrival_place", "5B.arrival_route"
_WORD = 1 << 64

Ancestors = list[tuple[str, str, Mapping[str, Any]]]


def arrival_draws(world: World, ctx: Context, found: FoundRow) -> tuple[list[Draw], Ancestors, list[str]]:
    """Draws, rows they were used with, and remarks.

    Args:
        world: The world.
        ctx: Context of the state that made the arrivals.
        found: The arrival.
    """
    row = found.row
    key = {
        "merchant_id": row["merchant_id"],
        "legal_country_iso": row["legal_country_iso"],
        "tzid": row["zone_representation"],
        "channel_group": row["channel_group"],
    }
    cell = {**key, "bucket_index": row["bucket_index"]}
    scenario = found.item.scenario
    count = _one(world, "s3_bucket_counts_5B", cell, scenario)
    intensity = _one(world, "s2_realised_intensity_5B", cell, scenario)
    ancestors: Ancestors = [
        ("s3_bucket_counts_5B", "how many arrivals its key has in its bucket", count),
        ("s2_realised_intensity_5B", "with which intensity they were drawn", intensity),
    ]
    entity = _entity(ctx, key)
    slot_us = int(world.receipt["parameters"]["layer2/5B/arrival_placement.yaml"]["slot_seconds"]) * 1_000_000
    offset = _offset(world, row, scenario)
    place_key, route_key = stream_key(world.seed, PLACE), stream_key(world.seed, ROUTE)
    table = _places(world, row)
    fits = []
    for rank in range(int(count.get("count_n", 0))):
        c0 = (int(row["bucket_index"]) << 32) | rank
        if (block(place_key, c0, entity)[1] * slot_us) >> 64 != offset % slot_us:
            continue
        if table and _pick(block(route_key, c0, entity)[0], table) != (
            row["edge_id"] if row["is_virtual"] else row["site_id"]
        ):
            continue
        fits.append(c0)
    draws: list[Draw] = []
    for c0 in fits:
        draws += _named(
            draws_at(PLACE, place_key, c0, entity, 2, ""),
            (f"slot {offset // slot_us} of the bucket", f"{offset % slot_us} us into it"),
        )
        kind = "edge" if row["is_virtual"] else "site"
        draws += _named(
            draws_at(ROUTE, route_key, c0, entity, 2, ""),
            (
                f"{kind} {row[f'{kind}_id']} by its alias table",
                "physical or virtual, for keys that have both",
            ),
        )
    ranks = ", ".join(str(c0 & 0xFFFFFFFF) for c0 in fits) or "not found"
    notes = [
        f"entity of the key {entity:016x}; offset in the bucket {offset} us; rank before time order {ranks}"
    ]
    if len(fits) > 1:
        notes.append("several ranks fit this instant and place: their draws are all shown")
    return draws, ancestors, notes


def _entity(ctx: Context, key: Mapping[str, Any]) -> int:
    def code(vocabulary: str, value: str) -> np.ndarray[Any, Any]:
        return np.array([ctx.code(vocabulary, value)], dtype=np.int16)

    merchant = np.array([key["merchant_id"]], dtype=np.uint64)
    country, tzid, channel = (
        code("country", key["legal_country_iso"]),
        code("tzid", key["tzid"]),
        code("channel", key["channel_group"]),
    )
    return int(zone_entity(ctx, merchant, country, tzid, channel)[0])


def _offset(world: World, row: Mapping[str, Any], scenario: str | None) -> int:
    """Microseconds since the start of the arrival's bucket."""
    grid = _one(world, "s1_time_grid_5B", {"bucket_index": row["bucket_index"]}, scenario)
    since: datetime.timedelta = row["ts_utc"] - grid["bucket_start_utc"]
    return since // datetime.timedelta(microseconds=1)


def _places(world: World, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Alias table of the arrival's own merchant, country and zone, in slot order."""
    name, country = (
        ("edge_alias_3B", "country_iso") if row["is_virtual"] else ("s2_alias_2B", "legal_country_iso")
    )
    place = "edge_id" if row["is_virtual"] else "site_id"
    where = {
        "merchant_id": row["merchant_id"],
        country: row["legal_country_iso"],
        "tzid": row["zone_representation"],
    }
    return [{**found, "place": found[place]} for found in _rows(world, name, where, None)]


def _pick(word: int, table: list[Mapping[str, Any]]) -> int:
    """The alias pick: the high word of word * slots is the slot,
    the low word the fraction that keeps or leaves it.
    """
    product = word * len(table)
    slot, fraction = product >> 64, product % _WORD
    taken = slot if fraction < int(table[slot]["threshold"]) else int(table[slot]["alias_slot"])
    return int(table[taken]["place"])


def _one(world: World, dataset: str, values: Mapping[str, Any], scenario: str | None) -> Mapping[str, Any]:
    rows = _rows(world, dataset, values, scenario)
    return rows[0] if rows else {}


def _rows(
    world: World, dataset: str, values: Mapping[str, Any], scenario: str | None
) -> list[Mapping[str, Any]]:
    return [found.row for found in rows_with(world, world.contracts.dataset(dataset), values, scenario)]


def _named(draws: list[Draw], decides: tuple[str, ...]) -> list[Draw]:
    return [
        Draw(d.stream, d.key, d.c0, d.c1, d.lane, d.word, d.uniform, text)
        for d, text in zip(draws, decides, strict=True)
    ]

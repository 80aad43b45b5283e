"""Pieces of the entity world that can be checked alone: whole countries with everything in them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame, concat

TABLES = {
    "s2_account_base_6A": "country_iso",
    "s4_device_base_6A": "home_country_iso",
    "s4_ip_base_6A": "country_iso",
}
_PARTIES = 1 << 18

COUNTRY_PIECES_NEEDS = Needs(
    reads={
        "s1_party_summary_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
        "s4_ip_base_6A": ROW_LEVEL,
    }
)


@dataclass(frozen=True)
class Piece:
    """Row ranges of a run of countries; ids, as states see them, are rows + 1.

    Attributes:
        countries: Codes first <= country < stop.
        parties: Rows of s1_party_base_6A, first and stop.
        tables: Rows of the other bases by dataset id.
        ip_links: Rows of s4_ip_links_6A, as many as the addresses say.
    """

    countries: tuple[int, int]
    parties: tuple[int, int]
    tables: dict[str, tuple[int, int]]
    ip_links: tuple[int, int]


def plan_pieces(ctx: Context) -> list[Partition]:
    """Runs of whole countries of about 2**18 parties.

    Together they hold every row of every base, countries without parties included.
    """
    summary = ctx.load("s1_party_summary_6A", columns=("country_iso", "parties"))
    countries = len(ctx.vocabulary("country"))
    parties = np.zeros(countries + 1, dtype=np.uint64)
    np.add.at(parties, summary.country_iso.astype(np.int64) + 1, summary.parties)
    ends = np.cumsum(parties).astype(np.int64)
    rows = {name: country_offsets(ctx, name, column) for name, column in TABLES.items()}
    links = _link_offsets(ctx)
    step = ends[:-1] // _PARTIES
    cuts = [0, *(np.flatnonzero(step[1:] != step[:-1]) + 1).tolist(), countries]
    return [
        Partition(
            index,
            spec={
                "countries": [first, stop],
                "parties": [int(ends[first]), int(ends[stop])],
                "tables": {name: [int(offset[first]), int(offset[stop])] for name, offset in rows.items()},
                "ip_links": [int(links[first]), int(links[stop])],
            },
            weight=int(ends[stop] - ends[first]),
        )
        for index, (first, stop) in enumerate(pairwise(cuts))
    ]


def piece_of(part: Partition) -> Piece:
    """The piece a partition of `plan_pieces` describes."""
    spec = part.spec
    tables = {name: _pair(rows) for name, rows in spec["tables"].items()}
    return Piece(_pair(spec["countries"]), _pair(spec["parties"]), tables, _pair(spec["ip_links"]))


def country_offsets(ctx: Context, dataset: str, column: str) -> Array:
    """First row of each country in a table sorted by country, and its length: int64, countries + 1."""
    counts = np.zeros(len(ctx.vocabulary("country")), dtype=np.int64)
    for part in range(len(ctx.files(dataset))):
        counts += np.bincount(ctx.load(dataset, part=part, columns=(column,))[column], minlength=len(counts))
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))


def _link_offsets(ctx: Context) -> Array:
    """First row of each country in s4_ip_links_6A, and the number of rows: int64, countries + 1.

    The table is sorted by address.
    """
    counts = np.zeros(len(ctx.vocabulary("country")), dtype=np.int64)
    for part in range(len(ctx.files("s4_ip_base_6A"))):
        ips = ctx.load("s4_ip_base_6A", part=part, columns=("country_iso", "links"))
        np.add.at(counts, ips.country_iso, ips.links.astype(np.int64))
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))


def rows_with_ids(ctx: Context, dataset: str, rows: tuple[int, int], columns: tuple[str, ...]) -> Frame:
    """Rows of a table, sorted by an id in its first column here, whose id is one of a base's rows.

    These are the rows with rows[0] < id <= rows[1].
    """
    bounds = np.array([rows[0] + 1, rows[1] + 1], dtype=np.uint64)
    found = []
    for number, file in enumerate(ctx.files(dataset)):
        keys = file.keys
        if "first" in keys and (
            int(keys["last"][0]) < int(bounds[0]) or int(keys["first"][0]) >= int(bounds[1])
        ):
            continue
        frame = ctx.load(dataset, part=number, columns=columns)
        low, high = np.searchsorted(frame[columns[0]], bounds).tolist()
        found.append(frame.slice(low, high))
    if not found:
        return ctx.load(dataset, part=0, columns=columns).slice(0, 0)
    return found[0] if len(found) == 1 else concat(found)


def row_of(ids: Array, rows: tuple[int, int]) -> Array:
    """Rows within a piece of ids of a base: int64; -1 for ids of other pieces and for 0.

    An absent id is read as 0.

    Ids count from 1; smaller ones than the piece's wrap to huge rows, so one comparison finds both kinds of
    strangers.
    """
    row = ids - np.uint64(1 + rows[0])
    outside = row >= np.uint64(rows[1] - rows[0])
    found: Array = row.view(np.int64)
    found[outside] = -1
    return found


def _pair(bounds: list[int]) -> tuple[int, int]:
    first, stop = bounds
    return int(first), int(stop)

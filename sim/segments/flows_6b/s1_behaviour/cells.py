"""Parts of metros with equal numbers of parties: repeated median cuts of homes.

A metro's homes are cut across its longer side, so that each part has its share of the cells, until a part is
one cell. Ties of coordinates go by the parties' order, so the cuts are total.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_offsets, sum_by_run
from sim.segments.flows_6b.metros import METROS_NEEDS, Metros, metros
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

PARTIES = "s1_party_base_6A"
_MICRO = np.float64(1e6)

CELLS_NEEDS = Needs(reads={PARTIES: ROW_LEVEL}, config=("behaviour_prior_6B",), uses=(METROS_NEEDS,))


@dataclass(frozen=True)
class Cut:
    """Metros and how they are cut.

    Attributes:
        metros: All of the footprint.
        homes: int64: parties who live in each.
        cells: int64: cells of each; none where nobody lives.
        first: int64: first cell of each in the world.
    """

    metros: Metros
    homes: Array
    cells: Array
    first: Array


def cut_of(ctx: Context) -> Cut:
    """How each metro is cut: by the parties who live there. It takes the homes of all, so it is made once."""
    return ctx.shared("metros and their cells", lambda: _cut_of(ctx))


def _cut_of(ctx: Context) -> Cut:
    prior, every = ctx.params.behaviour_prior_6B.cells, metros(ctx)
    homes = ctx.load(PARTIES, columns=("home_city_id",)).home_city_id
    live = np.bincount(every.of(homes), minlength=len(every))
    cells = np.clip(live // int(prior.parties), live > 0, int(prior.most_a_metro))
    return Cut(every, live, cells, np.cumsum(cells) - cells)


def cells_of(found: Cut, homes: Frame) -> Array:
    """Cell of each home: int64.

    Args:
        found: How metros are cut.
        homes: Columns `home_city_id`, `home_lat_deg`, `home_lon_deg` of whole metros.
    """
    metro = found.metros.of(homes.home_city_id)
    north = np.floor(homes.home_lat_deg * _MICRO).astype(np.int64)
    east = np.floor(homes.home_lon_deg * _MICRO).astype(np.int64)
    cell = np.zeros(len(homes), dtype=np.int64)
    order = np.argsort(metro, kind="stable")
    edges = np.searchsorted(metro[order], np.arange(len(found.cells) + 1))
    for at in np.flatnonzero(np.diff(edges)).tolist():
        rows = order[edges[at] : edges[at + 1]]
        _cut(
            rows,
            north,
            east,
            float(found.metros.lon_scale[at]),
            int(found.first[at]),
            int(found.cells[at]),
            cell,
        )
    return cell


def _cut(
    rows: Array, north: Array, east: Array, lon_scale: float, first: int, cells: int, cell: Array
) -> None:
    """Give the homes at `rows` the cells first .. first + cells - 1: fills `cell`."""
    if cells == 1 or len(rows) == 0:
        cell[rows] = first
        return
    up, across = north[rows], east[rows]
    tall = float(up.max() - up.min()) >= float(across.max() - across.min()) / lon_scale
    key = up if tall else across
    ordered = rows[np.argsort(key, kind="stable")]
    half = cells // 2
    middle = len(rows) * half // cells
    # Rows of a part are in the parties' order again, so that ties of the next cut go by it too.
    _cut(np.sort(ordered[:middle]), north, east, lon_scale, first, half, cell)
    _cut(np.sort(ordered[middle:]), north, east, lon_scale, first + half, cells - half, cell)


def uneven(found: Cut, cells: Frame) -> int:
    """Cells that are more than three parties off their metro's mean.

    A cut rounds down, and passes less than two thirds of what it has too much or too little to a part.

    Args:
        found: How metros are cut.
        cells: Rows of cells_6B.
    """
    metro = np.searchsorted(found.first + found.cells, cells.cell_id.astype(np.int64), side="right")
    parts = found.cells[metro]
    off = np.abs(cells.parties.astype(np.int64) * parts - found.homes[metro])
    return int((off > 3 * parts).sum())


def cell_rows(found: Cut, homes: Frame, cell: Array, behaviour: Frame) -> Frame:
    """Rows of cells_6B for the cells of these homes."""
    order = np.argsort(cell, kind="stable")
    offsets = run_offsets(cell[order])
    many = np.diff(offsets.astype(np.int64))
    ids = cell[order][offsets[:-1].astype(np.int64)]
    metro = np.searchsorted(found.first + found.cells, ids, side="right")
    active = behaviour.activity_q[order].astype(np.uint64)
    online = (active * behaviour.online_q[order].astype(np.uint64)) >> np.uint64(16)
    mean = {
        name: sum_by_run(np.floor(homes[name][order] * _MICRO).astype(np.int64), offsets) // many
        for name in ("home_lat_deg", "home_lon_deg")
    }
    return Frame(
        {
            "cell_id": ids.astype(np.uint32),
            "country_iso": found.metros.country[metro],
            "metro_id": found.metros.metro_id[metro],
            "lat_deg": mean["home_lat_deg"].astype(np.float64) / _MICRO,
            "lon_deg": mean["home_lon_deg"].astype(np.float64) / _MICRO,
            "parties": many.astype(np.uint32),
            "activity_q": sum_by_run(active, offsets),
            "online_q": sum_by_run(online, offsets),
        }
    )

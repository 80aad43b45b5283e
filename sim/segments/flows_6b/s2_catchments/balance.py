"""Which cells feed a site: near ones first, until sites get their demand and cells give their activity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.nearest import squared_distance
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, exact_weights
from sim.segments.flows_6b.clientele import CLIENTELE_NEEDS, LAW, clientele
from sim.segments.flows_6b.metros import Metros
from sim.segments.flows_6b.s2_catchments.demand import UNIT
from sim.segments.flows_6b.s2_catchments.units import Places
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

KM_A_MICRODEGREE = 111.195e-6
"""Of latitude, on a sphere of the Earth's mean radius."""
_MICRO = np.float64(1e6)
_TOTAL = np.float64(1 << 40)
_LEAST = 1e-3

BALANCE_NEEDS = Needs(
    config=(LAW,),
    kernels=("balance_catchments", "exp_map"),
    uses=(CLIENTELE_NEEDS, EXACT_WEIGHTS_NEEDS),
)


@dataclass(frozen=True)
class Balance:
    """Catchments of sites.

    Attributes:
        frame: Rows of `catchments_6B`.
        offsets: uint64, sites + 1: rows of each site's unit.
        worst_permille: int: how far the worst cell is off its share of a class.
        misplaced: int: demand that other cells give than should, in 2**-20 arrivals.
    """

    frame: Frame
    offsets: Array
    worst_permille: int
    misplaced: int


def served_by(every: Metros, cells_in: Array) -> Array:
    """Metro whose cells feed each metro: itself, or the nearest with any, in its country or else: int64."""
    found = np.arange(len(every))
    some = np.flatnonzero(cells_in > 0)
    for at in np.flatnonzero(cells_in == 0).tolist():
        near = some[every.country[some] == every.country[at]]
        near = near if len(near) else some
        square = squared_distance(
            every.lat_udeg[near] - every.lat_udeg[at],
            every.lon_udeg[near] - every.lon_udeg[at],
            np.full(len(near), every.lon_scale[at]),
        )
        found[at] = near[np.argmin(square)] if len(near) else at
    return found


def balance(
    ctx: Context,
    places: Places,
    every: Metros,
    cells: Frame,
    first_cell: Array,
    cells_in: Array,
    served: Array,
) -> Balance:
    """Catchments of all sites.

    Args:
        ctx: Context.
        places: Sites and units.
        every: Metros.
        cells: Rows of cells_6B.
        first_cell: int64: first cell of each metro.
        cells_in: int64: cells of each metro.
        served: `served_by`.
    """
    law, classes = ctx.params.clientele_law_6B, clientele(ctx)
    sites = len(places.site_id)
    kind = places.units.clientele_class[:sites]
    metro = served[places.metro[:sites]]
    order = np.lexsort((np.arange(sites), kind, metro))
    problems = run_offsets(metro[order], kind[order])
    at = order[problems[:-1].astype(np.int64)]
    wide = cells_in[metro[at]]
    of_row = run_of_row(problems)
    # Entries: site by site, the cells of its metro in their order.
    size = wide[of_row]
    entry = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(size)))
    row = np.repeat(np.arange(sites), size)
    column = np.arange(int(entry[-1])) - entry[:-1][row]
    cell = first_cell[metro[order]][row] + column
    site = order[row]
    north = np.floor(places.lat_deg[site] * _MICRO) - np.floor(cells.lat_deg[cell] * _MICRO)
    east = np.floor(places.lon_deg[site] * _MICRO) - np.floor(cells.lon_deg[cell] * _MICRO)
    scale = every.lon_scale[metro[site]]
    square = squared_distance(north.astype(np.int64), east.astype(np.int64), scale)
    km = np.sqrt(square) * KM_A_MICRODEGREE
    rank = _ranks(of_row[row], column, square)
    near = ctx.kernels.exp_map(x=-km / classes.reach_km[kind[site]])
    by_rank = ctx.kernels.exp_map(x=-rank.astype(np.float64) / float(law.rank.ranks))
    mass = cells.activity_q.astype(np.float64) + 1.0
    affinity = (near + float(law.rank.weight) * by_rank) * mass[cell]
    demand = np.maximum(places.units.expected_arrivals[:sites][order], _LEAST)
    col_first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(wide)))
    col_problem = np.repeat(np.arange(len(wide)), wide)
    col_cell = (
        first_cell[metro[at]][col_problem] + np.arange(int(col_first[-1])) - col_first[:-1][col_problem]
    )
    wanted = _column_totals(demand, problems, mass[col_cell], col_first)
    row_factor, col_factor = ctx.kernels.balance_catchments(
        row_first=problems,
        col_first=col_first.astype(np.uint64),
        entry_first=entry[problems.astype(np.int64)].astype(np.uint64),
        affinity=affinity,
        row_total=demand,
        col_total=wanted,
        rounds=int(law.rounds),
    )
    flow = row_factor[row] * affinity * col_factor[col_first[:-1][of_row[row]] + column]
    raw = np.floor(flow / demand[row] * _TOTAL).astype(np.uint64)
    offsets = entry.astype(np.uint64)
    weight = exact_weights(ctx, raw, offsets)
    worst, misplaced = _off(flow, col_first[:-1][of_row[row]] + column, wanted)
    # From the order of problems to that of units.
    back = np.argsort(order, kind="stable")
    length = size[back]
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(length)))
    take = np.repeat(entry[:-1][back] - starts[:-1], length) + np.arange(int(starts[-1]))
    frame = Frame(
        {
            "unit_no": site[take].astype(np.uint32),
            "cell_id": cell[take].astype(np.uint32),
            "weight_q": weight[take],
        }
    )
    return Balance(frame, starts.astype(np.uint64), worst, misplaced)


def _ranks(problem: Array, column: Array, square: Array) -> Array:
    """Place of each entry's site among the sites of its problem, seen from the entry's cell: int64 from 0."""
    order = np.lexsort((np.arange(len(square)), square, column, problem))
    starts = run_offsets(problem[order], column[order])
    rank = np.empty(len(square), dtype=np.int64)
    rank[order] = np.arange(len(square)) - starts[:-1].astype(np.int64)[run_of_row(starts)]
    return rank


def _column_totals(demand: Array, problems: Array, mass: Array, col_first: Array) -> Array:
    """What each cell of each problem gives: its share of activity of the class's demand, float64."""
    bounds = problems.astype(np.int64)
    totals = [float(_whole(demand[a:b])) / 1024.0 for a, b in pairwise(bounds)]
    sums = [float(_whole(mass[a:b])) / 1024.0 for a, b in pairwise(col_first)]
    wide = np.diff(col_first)
    share = mass / np.repeat(np.array(sums, dtype=np.float64), wide)
    found: Array = share * np.repeat(np.maximum(np.array(totals, dtype=np.float64), _LEAST), wide)
    return found


def _whole(values: Array) -> int:
    """Sum in 1/1024: of whole numbers, so in any order."""
    return int(np.floor(values * 1024.0).astype(np.uint64).sum())


def _off(flow: Array, column: Array, wanted: Array) -> tuple[int, int]:
    """How far cells are off what they should give: the worst, in permille of it, and half the sum of all."""
    given = np.zeros(len(wanted), dtype=np.uint64)
    np.add.at(given, column, np.floor(flow * UNIT).astype(np.uint64))
    apart = np.abs(given.astype(np.int64) - np.floor(wanted * UNIT).astype(np.int64))
    parts = apart.astype(np.float64) / np.floor(np.maximum(wanted, 1.0) * UNIT)
    return (int(np.floor(parts.max() * 1000.0)) if len(parts) else 0), int(apart.sum()) // 2

"""6B.S2: places with a clientele, where their customers live, and outings of people near by.

All of it follows from what was expected, never from arrivals that were counted, so that one count more
changes nobody else's customers.
"""

from __future__ import annotations

import numpy as np

from sim.segments.flows_6b.clientele import (
    CLASS,
    CLIENTELE_NEEDS,
    LAW,
    TRADES_NEEDS,
    clientele,
    require_clientele,
)
from sim.segments.flows_6b.metros import METROS_NEEDS, metros
from sim.segments.flows_6b.s2_catchments.balance import BALANCE_NEEDS, balance, served_by
from sim.segments.flows_6b.s2_catchments.checks import (
    CATCHMENT_CHECKS_NEEDS,
    CatchmentCounts,
    catchment_checks,
    catchment_measure,
    count_catchments,
)
from sim.segments.flows_6b.s2_catchments.demand import DEMAND_NEEDS, PROFILE, weeks
from sim.segments.flows_6b.s2_catchments.units import UNITS_NEEDS, places_of
from sim.segments.flows_6b.s2_catchments.zones import ZONES_NEEDS, outings, zone_cells, zones_of
from sim.state.context import Context, PartitionContext
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals

CELLS = "cells_6B"
POINTS, STEPS = 4096, 1 << 14

STATE = State(
    id="6B.S2",
    title="Catchments",
    reads={CELLS: ROW_LEVEL, PROFILE: METADATA_ONLY},
    config=(LAW,),
    writes=(
        "units_6B",
        "unit_edges_6B",
        "catchments_6B",
        "zone_cells_6B",
        "outings_6B",
        "visit_shares_6B",
    ),
    kernels=("inverse_lorenz",),
    counts=(CatchmentCounts,),
    uses=(
        BALANCE_NEEDS,
        CATCHMENT_CHECKS_NEEDS,
        CLIENTELE_NEEDS,
        DEMAND_NEEDS,
        METROS_NEEDS,
        TRADES_NEEDS,
        UNITS_NEEDS,
        ZONES_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse a law that does not use the vocabularies."""
    require_clientele(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Units of the world with all that belongs to them."""
    every, cells = metros(ctx), ctx.load(CELLS)
    home = every.called(cells.country_iso, cells.metro_id)
    size = np.bincount(home, minlength=len(every))
    first = np.cumsum(size) - size
    served = served_by(every, size)
    people = np.zeros(len(every), dtype=np.int64)
    np.add.at(people, home, cells.parties.astype(np.int64))
    week = weeks(ctx, sum(file.rows for file in ctx.files(PROFILE)))
    places = places_of(ctx, week, every, people[served])
    found = balance(ctx, places, every, cells, first, size, served)
    zone, subzone = zones_of(ctx, places, every)
    units = places.units.with_columns(
        places.units.valid, zone_no=zone.astype(np.uint32), subzone=subzone.astype(np.uint8)
    )
    edges = Frame(
        {
            "edge_id": places.edge_id,
            "unit_no": places.unit[len(places.site_id) :].astype(np.uint32),
        }
    ).sort("edge_id")
    frames = {
        "units_6B": units,
        "unit_edges_6B": edges,
        "catchments_6B": found.frame,
        "zone_cells_6B": zone_cells(ctx, places, found, zone, cells, (first, size, served)),
        "outings_6B": outings(ctx, places, week, zone),
        "visit_shares_6B": visit_shares(ctx),
    }
    count_catchments(ctx, frames, found, places, week)
    return frames


def visit_shares(ctx: Context) -> Frame:
    """Rows of `visit_shares_6B`: the inverse Lorenz curve of each class."""
    law, classes = ctx.params.clientele_law_6B.members, clientele(ctx)
    kinds = len(classes.visits)
    share = ctx.kernels.inverse_lorenz(
        shape=np.full(kinds, float(law.shape)),
        most=float(law.most_visits) / classes.visits,
        steps=STEPS,
        points=POINTS,
        dims={"n": kinds * (POINTS + 1)},
    )
    return Frame(
        {
            CLASS: np.repeat(np.arange(kinds, dtype=np.int16), POINTS + 1),
            "point": np.tile(np.arange(POINTS + 1, dtype=np.uint16), kinds),
            "members_q": share,
        }
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `catchment_checks`."""
    return catchment_checks(ctx, totals)


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `catchment_measure`."""
    return catchment_measure(totals)

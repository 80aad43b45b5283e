"""What catchments are held against: demand is all there, shares are whole, cells give what they should."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.weights import WEIGHT_TOTAL
from sim.segments.flows_6b.clientele import LAW
from sim.segments.flows_6b.s2_catchments.balance import Balance
from sim.segments.flows_6b.s2_catchments.demand import (
    DEMAND_NEEDS,
    EDGES,
    LOCATIONS,
    Weeks,
    whole_demand,
)
from sim.segments.flows_6b.s2_catchments.units import Places
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import METADATA_ONLY, Check, Measurement, Needs
from sim.state.frames import Frame
from sim.state.totals import Totals

CATCHMENT_CHECKS_NEEDS = Needs(
    reads={EDGES: METADATA_ONLY, LOCATIONS: METADATA_ONLY}, config=(LAW,), uses=(DEMAND_NEEDS,)
)


class CatchmentCounts(Counters):
    """Units, what they expect, and shares that are not whole."""

    sites = Scalar()
    edges = Scalar()
    units = Scalar()
    expected = Scalar()
    of_keys = Scalar()
    keys = Scalar()
    recurring = Scalar()
    unfed = Scalar()
    broken_shares = Scalar()
    stray_zones = Scalar()
    zones_without_cells = Scalar()
    worst_permille = Scalar()
    misplaced = Scalar()
    at_sites = Scalar()
    slots = Scalar()


def count_catchments(
    ctx: PartitionContext, frames: Mapping[str, Frame], found: Balance, places: Places, week: Weeks
) -> None:
    """Count the rows of the state; `week` is what 5A expects, before any place has a share of it."""
    units, rows, zones = frames["units_6B"], frames["catchments_6B"], frames["zone_cells_6B"]
    ctx.count(CatchmentCounts.sites, int(units.present("site_id").sum()))
    ctx.count(CatchmentCounts.edges, len(frames["unit_edges_6B"]))
    ctx.count(CatchmentCounts.units, len(units))
    ctx.count(CatchmentCounts.expected, _whole(units.expected_arrivals))
    ctx.count(CatchmentCounts.of_keys, whole_demand(ctx, week) >> 10)
    ctx.count(CatchmentCounts.keys, len(week.recurring))
    ctx.count(CatchmentCounts.recurring, _whole(units.recurring_arrivals))
    fed = np.bincount(rows.unit_no, minlength=len(units)) > 0
    ctx.count(CatchmentCounts.unfed, int((~fed & units.present("site_id")).sum()))
    broken = 0
    for frame, name in ((rows, "unit_no"), (zones, "zone_no")):
        offsets = run_offsets(frame[name])
        broken += int((sum_by_run(frame.weight_q, offsets) != np.uint64(WEIGHT_TOTAL)).sum())
    ctx.count(CatchmentCounts.broken_shares, broken)
    each = int(ctx.params.clientele_law_6B.outings.zones)
    zone = units.zone_no.astype(np.int64)
    stray = zone // (each + 1) != places.metro
    stray |= (zone % (each + 1) == each) == units.present("site_id")
    stray |= units.subzone >= int(ctx.params.clientele_law_6B.outings.subzones)
    ctx.count(CatchmentCounts.stray_zones, int(stray.sum()))
    lost = np.setdiff1d(np.unique(units.zone_no), zones.zone_no)
    ctx.count(CatchmentCounts.zones_without_cells, len(lost))
    ctx.count(CatchmentCounts.worst_permille, found.worst_permille)
    ctx.count(CatchmentCounts.misplaced, found.misplaced >> 10)
    ctx.count(CatchmentCounts.at_sites, _whole(units.expected_arrivals[units.present("site_id")]))
    ctx.count(CatchmentCounts.slots, int(units.slots.sum(dtype=np.int64)))


def _whole(values: np.ndarray) -> int:
    return int(np.floor(values * 1024.0).astype(np.uint64).sum())


def catchment_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Over all units, edges, cells and zones."""
    seen = CatchmentCounts(totals)
    most = int(ctx.params.clientele_law_6B.gates.misplaced_permille)
    sites, edges = (sum(file.rows for file in ctx.files(name)) for name in (LOCATIONS, EDGES))
    return [
        Check("a unit for each site", seen.sites == sites, seen.sites, sites),
        Check("each edge in one unit", seen.edges == edges, seen.edges, edges),
        Check(
            "units expect what 5A does",
            abs(seen.expected - seen.of_keys) <= seen.units + seen.sites + seen.edges + seen.keys + 1,
            seen.expected,
            seen.of_keys,
            "in 1/1024 arrivals; units, places and keys are rounded down once",
        ),
        Check("sites without a catchment", seen.unfed == 0, seen.unfed, 0),
        Check("shares of catchments", seen.broken_shares == 0, seen.broken_shares, 0, "each sums to 2**40"),
        Check("units in the zones of their metros", seen.stray_zones == 0, seen.stray_zones, 0),
        Check("zones without people", seen.zones_without_cells == 0, seen.zones_without_cells, 0),
        Check(
            "cells give their share of each class",
            seen.misplaced * 1000 <= most * seen.at_sites + seen.sites,
            seen.misplaced,
            seen.at_sites * most // 1000,
            f"1/1024 arrivals that others should give, at most {most} permille of all at sites",
        ),
    ]


def catchment_measure(totals: Totals) -> list[Measurement]:
    """How many places and members there are, and what is expected of them."""
    seen = CatchmentCounts(totals)
    return [
        Measurement("units", seen.units, "units"),
        Measurement("members of clienteles", seen.slots, "slots"),
        Measurement("expected arrivals", seen.expected // 1024, "arrivals", "over the horizon"),
        Measurement("worst cell of a class", seen.worst_permille, "permille", "off what it should give"),
        Measurement("of these, recurring", seen.recurring // 1024, "arrivals"),
    ]

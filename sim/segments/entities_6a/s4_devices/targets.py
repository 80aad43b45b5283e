"""How many devices of each type every cell gets: exact totals by largest remainder.

D(party type)            = round(parties x devices_per_party)
D(party type, type)      = largest remainder of D by type_permille
D(country, segment, type) = largest remainder of that by parties x exp(clip(slopes x (scores - 1/2)))
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.groups import run_offsets
from sim.segments.entities_6a.cells import NEUTRAL, SEGMENT_SCORES_NEEDS, segment_scores
from sim.segments.entities_6a.network_tables import integers, matrix, numbers
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

_TILT_BITS = np.float64(1 << 20)

DEVICE_CAPS_NEEDS = Needs(config=("device_prior_6A",))
DEVICE_TARGETS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL},
    config=("device_prior_6A",),
    kernels=("exp_map",),
    uses=(DEVICE_CAPS_NEEDS, LARGEST_REMAINDER_NEEDS, SEGMENT_SCORES_NEEDS),
)


def device_targets(ctx: Context) -> tuple[Frame, Array]:
    """Cells and their devices.

    Args:
        ctx: Context.

    Returns:
        Rows of the summary in its order, and uint64, rows x device types: devices of each type.

    Raises:
        ValidationError: `6A.S4.CAPS_INFEASIBLE`: a cell cannot hold its devices under the caps.
    """
    cells = ctx.load("s1_party_summary_6A")
    prior = ctx.params.device_prior_6A
    types = len(ctx.vocabulary("device_type"))
    mix = matrix(ctx, "party_type", "device_type", prior.type_permille).astype(np.uint64)
    units = np.zeros((len(cells), types), dtype=np.uint64)
    weight = tilted(ctx, cells)
    for party_type, mean in enumerate(numbers(ctx, "party_type", prior.devices_per_party)):
        rows = np.flatnonzero(cells.party_type == party_type)
        parties = int(cells.parties[rows].sum())
        whole = np.array([int(parties * mean + 0.5)], dtype=np.uint64)
        if len(rows) == 0 or mix[party_type].sum() == 0:
            continue
        by_type = largest_remainder(ctx, mix[party_type], run_offsets(np.zeros(types)), whole)
        offsets = np.arange(types + 1, dtype=np.uint64) * np.uint64(len(rows))
        units[rows] = (
            largest_remainder(ctx, weight[rows].T.ravel(), offsets, by_type).reshape(types, len(rows)).T
        )
    _require_capacity(ctx, cells, units)
    return cells, units


def tilted(ctx: Context, cells: Frame) -> Array:
    """Weight of each cell and type: uint64, parties x tilt in 2**-20."""
    prior = ctx.params.device_prior_6A
    slope = np.float64(prior.digital_slope) + numbers(ctx, "device_type", prior.type_slope)
    scores = segment_scores(ctx)
    digital, stability = (scores[name][cells.segment_id] - NEUTRAL for name in ("digital", "stability"))
    limit = np.float64(prior.tilt_limit)
    lean = digital[:, None] * slope[None, :] + stability[:, None] * np.float64(prior.stability_slope)
    tilt = ctx.kernels.exp_map(x=np.clip(lean, -limit, limit).ravel()).reshape(len(cells), len(slope))
    weight: Array = cells.parties[:, None] * np.floor(tilt * _TILT_BITS).astype(np.uint64)
    return weight


def caps(ctx: Context) -> Array:
    """Most devices of a type by party type: int64, party types x device types."""
    prior = ctx.params.device_prior_6A.type_cap
    return np.stack([integers(ctx, "device_type", prior[name]) for name in ctx.vocabulary("party_type")])


def _require_capacity(ctx: Context, cells: Frame, units: Array) -> None:
    capacity = cells.parties[:, None] * caps(ctx)[cells.party_type].astype(np.uint64)
    bad = np.argwhere(units > capacity)
    if len(bad) == 0:
        return
    segment, types, country = (
        ctx.vocabulary("segment"),
        ctx.vocabulary("device_type"),
        ctx.vocabulary("country"),
    )
    examples = [
        f"{country[cells.country_iso[row]]} {segment[cells.segment_id[row]]} {types[kind]}: "
        f"{units[row, kind]} devices, room for {capacity[row, kind]}"
        for row, kind in bad[:5].tolist()
    ]
    refuse(
        ctx,
        "CAPS_INFEASIBLE",
        "a cell cannot hold its devices under device_prior_6A.type_cap",
        found=examples[0],
        expected="devices <= parties x cap",
        at=("device_prior_6A.type_cap", "device_prior_6A.devices_per_party"),
        do="raise device_prior_6A.type_cap or lower devices_per_party",
        examples=examples,
        total=len(bad),
        error=ValidationError,
    )

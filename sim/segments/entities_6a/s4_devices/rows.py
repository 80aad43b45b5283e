"""From totals of cells to devices: who owns how many, and the address each device draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.words import WORDS_NEEDS, block_at, word
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.network_tables import numbers
from sim.segments.entities_6a.s4_devices.targets import DEVICE_CAPS_NEEDS, caps
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DEMAND, START = "6A.device_demand", "6A.device_start"

DEVICE_CELLS_NEEDS = Needs(kernels=("expand_rows",), uses=(CELL_WORDS_NEEDS,))
OWNED_NEEDS = Needs(
    config=("device_prior_6A",),
    streams=(DEMAND, START),
    kernels=("capped_share", "gated_weight"),
    uses=(DEVICE_CAPS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Cells:
    """Runs of parties of one country and segment in a partition.

    Attributes:
        frame: Their rows of s1_party_summary_6A.
        units: uint64, runs x device types.
        offsets: uint64, runs + 1: their parties, counted from the partition's first.
        entity: uint64, runs: entity hash of country and segment.
        of_party: int64, n: run of each party.
        rank: uint64, n: rank of each party in its run.
    """

    frame: Frame
    units: Array
    offsets: Array
    entity: Array
    of_party: Array
    rank: Array


def cells_of(ctx: Context, summary: Frame, units: Array, parties: Frame) -> Cells:
    """The cells of a partition of whole countries.

    Args:
        ctx: Context.
        summary: s1_party_summary_6A.
        units: uint64, rows x device types, or any figures by its rows.
        parties: Parties of the partition.
    """
    first, last = (int(parties.party_id[0]), int(parties.party_id[-1])) if len(parties) else (1, 0)
    mine = np.flatnonzero((summary.first_party_no >= first) & (summary.first_party_no <= last))
    frame = summary.take(mine)
    entity = cell_words(ctx, frame)
    size = frame.parties.astype(np.int64)
    of_party = np.repeat(np.arange(len(frame)), size)
    start = frame.first_party_no.astype(np.int64) - first
    rank = (np.arange(len(of_party)) - start[of_party]).astype(np.uint64)
    return Cells(frame, units[mine], prefix(frame.parties), entity, of_party, rank)


def owned(ctx: PartitionContext, cells: Cells) -> Array:
    """Devices of each type by party: uint32, n x types; cell totals are exact, no party exceeds a cap."""
    prior = ctx.params.device_prior_6A
    names = ctx.vocabulary("device_type")
    most = caps(ctx)[cells.frame.party_type].astype(np.uint32)
    counts = np.zeros((len(cells.of_party), len(names)), dtype=np.uint32)
    entity = cells.entity[cells.of_party]
    block: tuple[Array, Array] | None = None
    for kind, name in enumerate(names):
        if name not in prior.owner:
            continue
        at = ctx.address(DEMAND, party_rank=cells.rank, party_cell=entity, block=kind // 2)
        if kind % 2 == 0 or block is None:
            block = block_at(ctx, at)
        law = prior.owner[name]
        weight = ctx.kernels.gated_weight(
            x=block[kind % 2],
            idle=np.full(len(entity), float(law.idle)),
            sigma=np.full(len(entity), float(law.sigma)),
        )
        counts[:, kind] = ctx.kernels.capped_share(
            offset=cells.offsets,
            weight=weight,
            cap=most[:, kind][cells.of_party],
            units=np.ascontiguousarray(cells.units[:, kind]),
            start=word(ctx, START, device_type=kind, party_cell=cells.entity),
        )
        ctx.ledger(at, draws=1)
    return counts


def expand(ctx: Context, counts: Array, cells: Cells) -> Frame:
    """One row a device, in the order owner, type.

    Returns:
        `owner` (int64, row of the party in the partition), `device_type` (int16), and the fields of its
        address `device`, `party_cell`.
    """
    flat = counts.ravel()
    some = np.flatnonzero(flat)
    offsets = prefix(flat[some])
    entry, ordinal = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    row = some[entry]
    owner = row // counts.shape[1]
    kind = row - owner * counts.shape[1]
    device = ctx.field("device", party_rank=cells.rank[owner], device_type=kind, device_number=ordinal)
    cell = cells.entity[cells.of_party[owner]]
    return Frame({"owner": owner, "device_type": kind.astype(np.int16), "device": device, "party_cell": cell})


def fields_of(ctx: Context, devices: Frame, owner: Array, cells: Cells) -> tuple[Array, Array]:
    """Address fields `device` and `party_cell` of published devices of parties: uint64 each.

    They are in the order in which the devices were made.

    Args:
        ctx: Context.
        devices: Rows with `device_type`, sorted by owner and type.
        owner: int64: row of each device's party in the partition.
        cells: The partition's cells.
    """
    types = np.int64(32)
    key = owner * types + devices.device_type
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, dtype=np.int64)
    size = np.diff(np.append(first, len(key)))
    number = np.arange(len(key)) - np.repeat(first, size)
    device = ctx.field(
        "device", party_rank=cells.rank[owner], device_type=devices.device_type, device_number=number
    )
    return device, cells.entity[cells.of_party[owner]]


def mean_devices(ctx: Context) -> Array:
    """Prior mean of devices a party by party type, float64."""
    return numbers(ctx, "party_type", ctx.params.device_prior_6A.devices_per_party)

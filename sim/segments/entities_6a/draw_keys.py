"""Natural keys of 6A's draws, from published rows: cells, ranks, numbers of accounts and devices."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.state.context import Context
from sim.state.frames import Array, Frame


def party_cells(ctx: Context, party_id: Array) -> Frame:
    """Cell of each party (country, segment, type, region), its `party_rank` there, and the `cell`'s row."""
    summary = ctx.load("s1_party_summary_6A")
    cell = np.searchsorted(summary.first_party_no, party_id, side="right") - 1
    frame = summary.take(cell)
    return frame.select("country_iso", "segment_id", "party_type", "region_id").with_columns(
        party_rank=party_id - frame.first_party_no, cell=cell
    )


def ordinals(*columns: Array) -> Array:
    """Position of each row in its run of equal keys, from 0: uint64."""
    starts = run_starts(*columns)
    count = len(columns[0])
    ordinal: Array = (np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count)))).astype(
        np.uint64
    )
    return ordinal


def accounts_of(ctx: Context, *, part: int | None = None, rows: tuple[int, int] | None = None) -> Frame:
    """Accounts of whole countries with their owner's `party_rank` and their `account_number` by type."""
    base = ctx.load("s2_account_base_6A", part=part, rows=rows)
    cells = party_cells(ctx, base.owner_party_id)
    return base.with_columns(
        party_rank=cells.party_rank,
        account_number=ordinals(base.country_iso, base.account_type, base.owner_party_id),
    )


def devices_of(ctx: Context, *, part: int | None = None, rows: tuple[int, int] | None = None) -> Frame:
    """Devices of whole countries with their `device_number`, and the cell and rank of their owner.

    Devices of a party are counted by type, terminals at their site; both from 0. `made_number` is the number
    of the device whose draws a successor repeats, its predecessor; `follows` and `replaced` say who is which.
    """
    base = ctx.load("s4_device_base_6A", part=part, rows=rows)
    owned = base.present("primary_party_id")
    owner = np.where(owned, base.primary_party_id, np.uint64(1))
    cells = party_cells(ctx, owner)
    number = np.where(
        owned,
        ordinals(owned, owner, base.device_type),
        ordinals(owned, np.where(owned, 0, base.primary_site_id)),
    )
    follows = base.present("predecessor_device_id")
    heirs = np.flatnonzero(follows)
    before = (base.predecessor_device_id[heirs] - base.device_id[:1]).astype(np.int64)
    made, replaced = number.copy(), np.zeros(len(base), dtype=np.bool_)
    made[heirs], replaced[before] = number[before], True
    return base.with_columns(
        made_number=made,
        follows=follows,
        replaced=replaced,
        owned=owned,
        party_rank=cells.party_rank,
        country_iso=cells.country_iso,
        segment_id=cells.segment_id,
        party_type=cells.party_type,
        device_number=number,
    )


def rows_by_id(frame: Frame, name: str, ids: Array) -> Frame:
    """Rows of a frame by an id column that runs without gaps."""
    return frame.take((ids - frame[name][0]).astype(np.int64) if len(ids) else np.zeros(0, dtype=np.int64))

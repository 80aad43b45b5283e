"""Devices with their successors: whoever replaces one goes on with what the old one did.

A successor stands after all devices that its owner had of the kind, so these keep their numbers. It has the
users, accounts and cards of its predecessor, usually its system, and a model no older.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_starts
from sim.segments.entities_6a.network_tables import pick
from sim.segments.entities_6a.s4_devices.life import Lives
from sim.segments.entities_6a.s4_devices.systems import system_tables
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context
from sim.state.frames import Array, Frame


@dataclass(frozen=True)
class Owned:
    """Devices of parties with successors, in the order owner, kind, number.

    Attributes:
        frame: `owner`, `device_type`, `device`, `party_cell`, `os_family`, `group`, and days `first`, `last`.
        source: int64: row among the devices as they were made, of a successor that of its predecessor.
        before: int64: row here of each one's predecessor, -1 for those that have none.
    """

    frame: Frame
    source: Array
    before: Array

    def __len__(self) -> int:
        return len(self.source)

    @property
    def made(self) -> Array:
        """Rows of the devices as they were made, without successors: int64."""
        return np.flatnonzero(self.before < 0)

    @property
    def after(self) -> Array:
        """Row of each device's successor, -1 for none: int64."""
        found = np.full(len(self), -1, dtype=np.int64)
        rows = np.flatnonzero(self.before >= 0)
        found[self.before[rows]] = rows
        return found


def with_successors(
    ctx: Context, devices: Frame, rank: Array, lives: Lives, system: Array, group: Array
) -> Owned:
    """Devices of a partition and who follows them.

    Args:
        ctx: Context.
        devices: Rows in the order owner, kind: `owner`, `device_type`, `device`, `party_cell`.
        rank: uint64, one a party: rank in its cell.
        lives: Their lives.
        system: int16: system of each device.
        group: int64: group of mixes of each device.
    """
    starts = run_starts(devices.owner, devices.device_type)
    size = np.diff(np.append(starts, len(devices)))
    run = np.repeat(np.arange(len(starts)), size)
    more = np.bincount(run[lives.rows], minlength=len(starts))
    ahead = np.cumsum(more) - more
    old = np.arange(len(devices)) + ahead[run]
    of = run[lives.rows]
    # Numbers of a run's successors go on where those of its devices end.
    nth = np.arange(len(of)) - ahead[of]
    new = starts[of] + ahead[of] + size[of] + nth
    source = np.empty(len(devices) + len(new), dtype=np.int64)
    source[old], source[new] = np.arange(len(devices)), lives.rows
    before = np.full(len(source), -1, dtype=np.int64)
    before[new] = old[lives.rows]
    frame = devices.take(source)
    address = frame.device.copy()
    address[new] = ctx.field(
        "device",
        party_rank=rank[frame.owner[new]],
        device_type=frame.device_type[new],
        device_number=size[of] + nth,
    )
    first, last = lives.first[source], lives.last[source]
    first[new], last[new] = lives.begins, NEVER
    runs, mix = system[source], group[source]
    changes = np.flatnonzero(~lives.keeps)
    runs[new[changes]] = pick(ctx, system_tables(ctx), lives.other[changes], mix[new[changes]])
    columns = {"device": address, "os_family": runs, "group": mix, "first": first, "last": last}
    return Owned(frame.with_columns(None, **columns), source, before)

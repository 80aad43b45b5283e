"""The merchant taxonomy as columns."""

from __future__ import annotations

import numpy as np

from sim.shell.context import Context
from sim.shell.frames import Array, Frame


def taxonomy(ctx: Context) -> Frame:
    """One row an MCC, ascending: mcc u16, share_weight u64, multi_site_permille u64, site_mean f64."""
    entries = ctx.params.mcc_taxonomy_1A.mccs
    dtypes = {"mcc": np.uint16, "share_weight": np.uint64, "multi_site_permille": np.uint64, "site_mean": np.float64}
    return Frame({name: np.array([entry[name] for entry in entries], dtype=dtype) for name, dtype in dtypes.items()}).sort("mcc")


def channel_permille(ctx: Context) -> Array:
    """Channel mix of each MCC in `taxonomy` order: uint64, mccs x channels (columns are channel codes); rows sum to 1000."""
    entries = sorted(ctx.params.mcc_taxonomy_1A.mccs, key=lambda entry: int(entry.mcc))
    return np.array([[entry.channel_mix[name] for name in ctx.vocabulary("channel")] for entry in entries], dtype=np.uint64)

"""The merchant taxonomy as columns."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

TAXONOMY_NEEDS = Needs(config=("mcc_taxonomy_1A",))


def taxonomy(ctx: Context) -> Frame:
    """One row an MCC, ascending: mcc u16, share_weight u64, multi_site_permille u64, site_mean f64."""
    entries = ctx.params.mcc_taxonomy_1A.mccs
    dtypes = {
        "mcc": np.uint16,
        "share_weight": np.uint64,
        "multi_site_permille": np.uint64,
        "site_mean": np.float64,
    }
    return Frame(
        {name: np.array([entry[name] for entry in entries], dtype=dtype) for name, dtype in dtypes.items()}
    ).sort("mcc")


def channel_permille(ctx: Context) -> Array:
    """Channel mix of each MCC in `taxonomy` order: uint64, mccs x channels (columns are channel codes).

    Rows sum to 1000.
    """
    entries = sorted(ctx.params.mcc_taxonomy_1A.mccs, key=lambda entry: int(entry.mcc))
    return np.array(
        [[entry.channel_mix[name] for name in ctx.vocabulary("channel")] for entry in entries],
        dtype=np.uint64,
    )


def require_consistent(ctx: Context) -> None:
    """Refuse a taxonomy with a repeated code, an unlisted sector or channels that do not sum to 1000.

    Its schema cannot say these.

    Raises:
        ContractError: `1A.S1.TAXONOMY_INCONSISTENT`.
    """
    pack = ctx.params.mcc_taxonomy_1A
    codes = [entry.mcc for entry in pack.mccs]
    faults = []
    for row, entry in enumerate(pack.mccs):
        at, said = f"mcc_taxonomy_1A.mccs.{row}", f"mcc {entry.mcc}"
        if codes.index(entry.mcc) < row:
            faults.append(Fault(f"{at}.mcc", f"{said}: {codes.count(entry.mcc)} times"))
        if entry.sector not in pack.sectors:
            faults.append(Fault(f"{at}.sector", f"{said}: sector {entry.sector!r} is not listed"))
        channels = sum(share for _, share in entry.channel_mix.items())
        if channels != 1000:
            faults.append(Fault(f"{at}.channel_mix", f"{said}: channel_mix sums to {channels}"))
        sums = {channel: law.hybrid + law.virtual_only for channel, law in entry.virtual.items()}
        over = [(channel, total) for channel, total in sums.items() if total > 1000]
        faults += [
            Fault(f"{at}.virtual.{channel}", f"{said}: virtual.{channel} sums to {total}")
            for channel, total in over
        ]
    refuse_any(
        ctx,
        "TAXONOMY_INCONSISTENT",
        "the merchant taxonomy contradicts itself",
        faults,
        expected=(
            "each code once, in a listed sector, with channels summing to 1000 and virtual shares to at "
            "most 1000"
        ),
        do="correct the entries above",
    )

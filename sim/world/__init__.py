"""The user's handle on a published run.

    import sim.world as cw
    world = cw.open("runs/5f0c...")
    world["arrival_events_5B"].to_polars()
    world.sql("select channel_group, count(*) from arrival_events_5B group by 1").to_pandas()

Opening a run holds its receipt, flags, indexes and file sizes against each other; each file's SHA-256 is checked before its
first read. What has not passed cannot be read.
"""

from __future__ import annotations

from pathlib import Path

from sim.world.handle import World
from sim.world.tables import Table

__all__ = ["Table", "World", "open"]


def open(run: str | Path, contracts: Path | None = None, config: Path | None = None) -> World:
    """Open a run directory.

    Args:
        run: The directory that holds `run_receipt.json`.
        contracts: Contracts directory, for runs built with `--contracts`.
        config: Config directory, for runs built with `--config`.

    Returns:
        The world: `world["dataset"]`, `world.tables`, `world.sql(...)`.

    Raises:
        GateError: If there is no usable receipt there, or something published is missing or changed.
    """
    return World(Path(run), contracts, config)

"""The user's handle on a published run.

    import sim.world as cw
    world = cw.open("runs/5f0c...")
    world["arrival_events_5B"].to_polars()
    world.sql("select channel_group, count(*) from arrival_events_5B group by 1").to_pandas()

Opening a run holds its receipt, flags, indexes and file sizes against each other; each file's SHA-256 is checked before its
first read. What has not passed cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.shell.find_run import find_run
from sim.shell.location import is_url, parse_url
from sim.world.handle import World
from sim.world.tables import Table

__all__ = ["Table", "World", "open"]


def open(
    run: str | Path, contracts: Path | None = None, config: Path | None = None, storage_options: Mapping[str, Any] | None = None
) -> World:
    """Open a run.

    Args:
        run: As every command takes it: a run directory, the first characters of a run id under ./runs, a folder and these
            (`some/dir/67d`), or a URL (`s3://bucket/prefix/<run id>`, `gs://`, `file://`).
        contracts: Contracts directory, for runs built with `--contracts`.
        config: Config directory, for runs built with `--config`.
        storage_options: For URLs: keyword arguments of the fsspec filesystem (endpoint, profile).

    Returns:
        The world: `world["dataset"]`, `world.tables`, `world.sql(...)`.

    Raises:
        UsageError: `SHELL.RUN_NOT_FOUND` if no run, or several, fit.
        GateError: If there is no usable receipt there, or something published is missing or changed.
    """
    if is_url(run):
        from sim.world.remote import RemoteWorld

        return RemoteWorld(parse_url(str(run)), contracts, config, storage_options)
    return World(find_run(run), contracts, config)

"""The user's handle on a published run.

    import sim.world as cw
    world = cw.open("runs/5f0c...")
    world["arrival_events_5B"].to_polars()
    world.sql("select channel_group, count(*) from arrival_events_5B group by 1").to_pandas()
    world = cw.run(preset="demo", seed=7)

Opening a run compares its receipt, flags, indexes and file sizes with each other. Each file's SHA-256 is
checked before its first read. Data of a segment that has not passed cannot be read.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.ground.paths import config_root, contracts_root
from sim.objects.location import is_url, parse_url
from sim.shell.runs.find_run import find_run
from sim.world.handle import World
from sim.world.tables import Table

__all__ = ["Table", "World", "open", "run"]


def open(
    run: str | Path,
    contracts: Path | None = None,
    config: Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> World:
    """Open a run.

    Args:
        run: As every command takes it: a run directory, the first characters of a run id under ./runs, a
            folder and these (`some/dir/67d`), or a URL (`s3://bucket/prefix/<run id>`, `gs://`, `file://`).
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


def run(
    preset: str = "demo",
    seed: int = 42,
    overrides: Mapping[str, Any] | None = None,
    merchants: str | Path | None = None,
    decimal_comma: bool = False,
    unknown_mcc: str | None = None,
    scenarios: Sequence[str] = (),
    out: str | Path = "runs",
    until: str | None = None,
    rng_events: Sequence[str] = (),
    progress: bool = True,
    backend: str = "auto",
    workers: int | None = None,
    contracts: Path | None = None,
    config: Path | None = None,
) -> World:
    """Build a world, or finish one, as `closedworld run` does.

    The same request gives the same world, and is done once.

    Args:
        preset: Size of the world.
        seed: World seed, 0 .. 2**64 - 1.
        overrides: Config values by key, as `--set` takes them: `{"merchant_universe_1A.merchants": 500}`.
        merchants: File with your own merchants.
        decimal_comma: Numbers in that file have a decimal comma.
        unknown_mcc: Demand class of merchants in that file whose MCC the taxonomy does not list.
        scenarios: Scenario ids; the preset's by default.
        out: Directory that holds run directories, or a URL.
        until: Last segment to build.
        rng_events: States, or segments, whose random draws are published event by event.
        progress: Report progress on stderr.
        backend: auto, cpu, gpu or emulated.
        workers: Threads; the processors there are by default.
        contracts: Another contracts directory.
        config: Another config directory.

    Returns:
        The world, opened.

    Raises:
        SimError: Whatever refused. What was finished is kept: the same call goes on from there.
    """
    from sim.executors import LocalExecutor
    from sim.model import MODEL
    from sim.model.inputs.merchants import merchants_input
    from sim.shell.contracts.config import plain_override
    from sim.shell.contracts.lint import prove_agreement
    from sim.shell.events.progress import reporter
    from sim.shell.request.request import Request, prepare
    from sim.world.build import How, build, require_segment, usable_backend

    request = Request(
        preset=preset,
        seed=operator.index(seed),
        scenarios=tuple(scenarios),
        overrides={key: plain_override(key, value) for key, value in (overrides or {}).items()},
        inputs=merchants_input(None if merchants is None else Path(merchants), decimal_comma, unknown_mcc),
        contracts=contracts or contracts_root(),
        config=config or config_root(),
    )
    require_segment(until, MODEL.segments)
    prepared = prepare(request, MODEL)
    prove_agreement(prepared.contracts, prepared.config, MODEL.states)
    how = How(
        out=str(out),
        until=until,
        rng_events=tuple(rng_events),
        executor=LocalExecutor(workers or len(os.sched_getaffinity(0))),
    )
    listener = reporter(not progress)
    try:
        built = build(prepared, usable_backend(backend), how, listener)
    finally:
        listener.close()
    return open(built.world, contracts, config)

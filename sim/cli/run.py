"""`closedworld run`: build a world, or finish one that was interrupted."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import (
    ConfigOption,
    ContractsOption,
    DecimalCommaOption,
    JsonOption,
    MerchantsOption,
    OutOption,
    PresetOption,
    ScenarioOption,
    SeedOption,
    SetOption,
    UnknownMccOption,
    emit,
    merchants_read,
    prepared_request,
)
from sim.cli.executor import (
    ExecutorOption,
    SchedulerFileOption,
    SchedulerOption,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    executor_named,
)
from sim.cli.memory import MemoryLimitOption, memory_budget
from sim.cli.telling import JsonEventsOption, LogOption, QuietOption, VerboseOption, telling


def run(
    preset: PresetOption = "demo",
    seed: SeedOption = "42",
    scenario: ScenarioOption = None,
    set_: SetOption = None,
    merchants: MerchantsOption = None,
    decimal_comma: DecimalCommaOption = False,
    unknown_mcc: UnknownMccOption = None,
    backend: Annotated[
        str, typer.Option(help="auto, cpu, gpu or emulated. auto: cpu, or a gpu measured to be faster here.")
    ] = "auto",
    device_slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Partitions with rows on the device at once (gpu, emulated). Default: the workers.",
        ),
    ] = None,
    verify_fraction: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of partitions recomputed on the cpu (gpu, emulated); 0 for none."
        ),
    ] = 0.001,
    executor: ExecutorOption = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Workers. Default: the processors there are.")
    ] = None,
    memory_limit: MemoryLimitOption = None,
    scheduler: SchedulerOption = None,
    scheduler_file: SchedulerFileOption = None,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    until: Annotated[
        str | None, typer.Option(help="Stop after this segment, e.g. 3B, or this state, e.g. 5B.S3.")
    ] = None,
    rng_events: Annotated[
        list[str] | None,
        typer.Option(
            "--rng-events",
            help=(
                "States, or segments, whose random draws are published event by event: 5B.S3,6A. Repeat or "
                "separate by commas."
            ),
        ),
    ] = None,
    partition_order: Annotated[
        int | None, typer.Option(help="Compute partitions in an order shuffled by this seed.", hidden=True)
    ] = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    out: OutOption = "runs",
    work_dir: Annotated[
        Path | None,
        typer.Option(
            "--work-dir",
            help=(
                "With a URL as --out: where the run is built before it is uploaded. Default: "
                "~/.cache/closedworld/work."
            ),
        ),
    ] = None,
    keep_local: Annotated[
        bool, typer.Option("--keep-local", help="With a URL as --out: keep local copies of uploaded files.")
    ] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    json_events: JsonEventsOption = False,
    log: LogOption = None,
    json_: JsonOption = False,
) -> None:
    """Build a world and publish it, gated and validated.

    The same request resumes, or does nothing if all is there.
    """
    from sim.cli.run_end import end_text, rows_of
    from sim.executors.resident import highest
    from sim.shell.loop.outcome import describe
    from sim.shell.partition.rng_events import require_events
    from sim.world.build import How, build, place_of_run, require_segment, usable_backend

    began = time.monotonic()
    prepared = prepared_request(
        preset, seed, scenario, set_, merchants, contracts, config, decimal_comma, unknown_mcc
    )
    require_segment(until, prepared.model.segments)
    events = tuple(name for given in rng_events or () for name in given.split(","))
    require_events(events, until, prepared.model.segments)
    chosen = usable_backend(backend)
    budget = memory_budget(memory_limit, executor)
    how = How(
        out=out,
        until=until,
        work_dir=work_dir,
        keep_local=keep_local,
        rng_events=events,
        order_seed=partition_order,
        verify_fraction=verify_fraction,
        device_slots=device_slots,
        memory=budget,
    )
    tls = (tls_ca, tls_cert, tls_key)
    with (
        telling(quiet or json_, verbose, json_events, log, place_of_run(prepared, how), until) as told,
        executor_named(
            executor, workers, budget, chosen.name == "gpu", scheduler, scheduler_file, *tls
        ) as who,
    ):
        built = build(prepared, chosen, replace(how, executor=who), told)
    memory = {"limit": budget.limit, "peak": highest()} if budget else None
    arrivals, summary = rows_of(built.result, "arrival_events_5B"), describe(built.result)
    emit(
        "run",
        {
            "run_id": prepared.run_id,
            "backend": {"name": chosen.name, "why": chosen.why},
            "arrivals": arrivals,
            **summary,
            **({"url": built.url} if built.url else {}),
            **({"memory": memory} if memory else {}),
            **merchants_read(prepared),
        },
        end_text(built, prepared, chosen, out, memory, time.monotonic() - began, verbose),
    )

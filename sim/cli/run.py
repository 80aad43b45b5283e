"""`closedworld run`: build a world, or finish one that was interrupted."""

from __future__ import annotations

import sys
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
    clean,
    emit,
    invoked,
    prepared_request,
    table,
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


def run(
    preset: PresetOption = "demo",
    seed: SeedOption = "42",
    scenario: ScenarioOption = None,
    set_: SetOption = None,
    merchants: MerchantsOption = None,
    decimal_comma: DecimalCommaOption = False,
    unknown_mcc: UnknownMccOption = None,
    backend: Annotated[str, typer.Option(help="auto, cpu, gpu or emulated. auto: cpu, or a gpu measured to be faster here.")] = "auto",
    device_slots: Annotated[
        int | None, typer.Option(min=1, max=64, help="Partitions with rows on the device at once (gpu, emulated). Default: the workers.")
    ] = None,
    verify_fraction: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of partitions recomputed on the cpu (gpu, emulated); 0 for none.")
    ] = 0.001,
    executor: ExecutorOption = "local",
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Workers. Default: the processors there are.")] = None,
    memory_limit: MemoryLimitOption = None,
    scheduler: SchedulerOption = None,
    scheduler_file: SchedulerFileOption = None,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    until: Annotated[str | None, typer.Option(help="Stop after this segment, e.g. 3B.")] = None,
    rng_events: Annotated[
        list[str] | None,
        typer.Option(
            "--rng-events",
            help="States, or segments, whose random draws are published event by event: 5B.S3,6A. Repeat or separate by commas.",
        ),
    ] = None,
    partition_order: Annotated[int | None, typer.Option(help="Compute partitions in an order shuffled by this seed.", hidden=True)] = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    out: OutOption = "runs",
    work_dir: Annotated[
        Path | None,
        typer.Option(
            "--work-dir", help="With a URL as --out: where the run is built before it is uploaded. Default: ~/.cache/closedworld/work."
        ),
    ] = None,
    keep_local: Annotated[bool, typer.Option("--keep-local", help="With a URL as --out: keep local copies of uploaded files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json_: JsonOption = False,
) -> None:
    """Build a world and publish it, gated and validated. The same request resumes, or does nothing if all is there."""
    from sim.executors.resident import highest
    from sim.shell.build import How, build, require_segment, usable_backend
    from sim.shell.outcome import SIZES_CHECKED, describe
    from sim.shell.progress import reporter
    from sim.shell.rng_events import require_events

    prepared = prepared_request(preset, seed, scenario, set_, merchants, contracts, config, decimal_comma, unknown_mcc)
    from sim.segments import SEGMENTS

    require_segment(until, SEGMENTS)
    events = tuple(name for given in rng_events or () for name in given.split(","))
    require_events(events, until, SEGMENTS)
    chosen = usable_backend(backend)
    named = f"{chosen.name} ({chosen.why})" if chosen.why else chosen.name
    budget = memory_budget(memory_limit, executor)
    with executor_named(executor, workers, budget, chosen.name == "gpu", scheduler, scheduler_file, tls_ca, tls_cert, tls_key) as who:
        told = reporter(quiet or json_)
        if not quiet and not json_:
            sys.stderr.write(f"backend {named}\n")
            for line in prepared.supplied.echo() if prepared.supplied else ():
                sys.stderr.write(clean(f"merchants {line}") + "\n")
        how = How(
            out=out,
            until=until,
            work_dir=work_dir,
            keep_local=keep_local,
            rng_events=events,
            order_seed=partition_order,
            executor=who,
            verify_fraction=verify_fraction,
            device_slots=device_slots,
            memory=budget,
        )
        built = build(prepared, SEGMENTS, chosen, how, told)
    result, home, world = built.result, built.url, built.world
    datasets = [item for bundle in result.bundles.values() for item in bundle.datasets]
    rows = [(item.dataset, item.scenario or "", f"{item.rows:,}", f"{item.bytes / 1e6:,.1f}") for item in datasets]
    total = sum(item.bytes for item in datasets)
    summary = describe(result)
    passed = f", {summary['checks_passed']:,} checks passed" if summary["checks_passed"] else ""
    text = [
        table(("dataset", "scenario", "rows", "MB"), rows, right=frozenset({2, 3})),
        "",
        f"world      {world}  ({total / 1e6:,.1f} MB{passed})",
        f"seed       {prepared.request.seed}   scenarios {', '.join(prepared.scenarios)}   backend {named}",
    ]
    if result.taken_over:
        text.append(
            f"complete   {', '.join(result.taken_over)} before this command: {SIZES_CHECKED} (closedworld verify --deep reads them)"
        )
    taken = {"limit": budget.limit, "peak": highest()} if budget else None
    if taken:
        text.append(f"memory     {taken['peak'] / 2**20:,.0f} MiB at the highest, limit {taken['limit'] / 2**20:,.0f} MiB")
    if "5B" in result.bundles:
        name = result.run_dir.name[:8]
        command = invoked(Path(sys.argv[0]), "closedworld") if Path(sys.argv[0]).stem == "closedworld" else "closedworld"
        python = invoked(Path(sys.executable), "python")
        where = name if out == "runs" else world
        text += [
            "",
            "try next",
            f"  {command} verify {where} --deep",
            f'  {command} sql {where} "select channel_group, count(*) as arrivals from arrival_events_5B group by 1"',
            f"  {python} -c \"import sim.world as cw; print(cw.open('{world}')['arrival_events_5B'].to_polars())\"",
        ]
    emit(
        "run",
        {
            "run_id": prepared.run_id,
            "backend": {"name": chosen.name, "why": chosen.why},
            "arrivals": sum(item.rows for item in datasets if item.dataset == "arrival_events_5B"),
            **summary,
            **({"url": home} if home else {}),
            **({"memory": taken} if taken else {}),
            **({"merchants_file": dict(prepared.supplied.told)} if prepared.supplied else {}),
        },
        "\n".join(text),
    )

"""`closedworld run`: build a world, or finish one that was interrupted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import (
    ConfigOption,
    ContractsOption,
    JsonOption,
    MerchantsOption,
    OutOption,
    PresetOption,
    ScenarioOption,
    SeedOption,
    SetOption,
    emit,
    invoked,
    prepared_request,
    refuse_usage,
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

if TYPE_CHECKING:
    from sim.shell.progress import Reporter
    from sim.shell.publication import Publication
    from sim.shell.request import Prepared


def run(
    preset: PresetOption = "demo",
    seed: SeedOption = "42",
    scenario: ScenarioOption = None,
    set_: SetOption = None,
    merchants: MerchantsOption = None,
    backend: Annotated[str, typer.Option(help="auto, cpu, gpu or emulated. auto: gpu where one is usable, else cpu.")] = "auto",
    device_slots: Annotated[int, typer.Option(min=1, max=64, help="Partitions on the device at once (gpu, emulated).")] = 2,
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
    from sim.backends import BackendUnavailable, get_backend
    from sim.executors.resident import highest
    from sim.shell.errors import BackendError, UsageError
    from sim.shell.outcome import describe
    from sim.shell.planner import require_space
    from sim.shell.progress import reporter
    from sim.shell.run import Options, run_world

    prepared = prepared_request(preset, seed, scenario, set_, merchants, contracts, config)
    from sim.segments import SEGMENTS

    codes = [segment.code for segment in SEGMENTS]
    if until is not None and until not in codes:
        raise UsageError("SHELL.UNKNOWN_SEGMENT", f"there is no segment called {until!r}", expected=", ".join(codes))
    try:
        chosen = get_backend(backend)
    except BackendUnavailable as error:
        raise BackendError("SHELL.BACKEND_UNAVAILABLE", f"backend {backend} cannot run here: {error}", do=error.do) from error
    named = f"{chosen.name} ({chosen.why})" if chosen.why else chosen.name
    told = reporter(quiet or json_)
    budget = memory_budget(memory_limit, executor)
    with executor_named(executor, workers, budget, chosen.name == "gpu", scheduler, scheduler_file, tls_ca, tls_cert, tls_key) as who:
        if not quiet and not json_:
            sys.stderr.write(f"backend {named}\n")
        place, publication, home = _place(out, work_dir, keep_local, prepared, told)
        if "6A" in codes and until in (None, *codes[codes.index("6A") :]):
            require_space(prepared, place)
        options = Options(
            out=place,
            publication=publication,
            until=until,
            order_seed=partition_order,
            executor=who,
            verify_fraction=verify_fraction,
            device_slots=device_slots,
            memory=budget,
        )
        result = run_world(prepared, SEGMENTS, chosen, options, told)
    world = home or str(result.run_dir)
    datasets = [item for bundle in result.bundles.values() for item in bundle.datasets]
    rows = [(item.dataset, item.scenario or "", f"{item.rows:,}", f"{item.bytes / 1e6:,.1f}") for item in datasets]
    total = sum(item.bytes for item in datasets)
    checks = sum(len(bundle.checks) for bundle in result.bundles.values())
    text = [
        table(("dataset", "scenario", "rows", "MB"), rows, right=frozenset({2, 3})),
        "",
        f"world      {world}  ({total / 1e6:,.1f} MB, {checks} checks passed)",
        f"seed       {prepared.request.seed}   scenarios {', '.join(prepared.scenarios)}   backend {named}",
    ]
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
            **describe(result),
            **({"url": home} if home else {}),
            **({"memory": taken} if taken else {}),
        },
        "\n".join(text),
    )


def _place(out: str, work_dir: Path | None, keep_local: bool, prepared: Prepared, told: Reporter) -> tuple[Path, Publication, str | None]:
    """(Directory to build in, where passed segments go from there, URL of the run if it has one)."""
    from sim.shell.location import is_url, parse_url
    from sim.shell.publication import Publication

    if not is_url(out):
        if work_dir is not None or keep_local:
            refuse_usage("--work-dir and --keep-local go with a URL as --out")
        return Path(out), Publication(), None
    from sim.shell.upload import Upload, default_work_dir

    root = parse_url(out)
    upload = Upload(root, prepared, told, keep_local)
    return work_dir or default_work_dir(root), upload, str(upload.location)

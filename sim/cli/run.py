"""`closedworld run`: build a world, or finish one that was interrupted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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
    default_workers,
    emit,
    invoked,
    prepared_request,
    table,
)


def run(
    preset: PresetOption = "demo",
    seed: SeedOption = "42",
    scenario: ScenarioOption = None,
    set_: SetOption = None,
    merchants: MerchantsOption = None,
    backend: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
    executor: Annotated[str, typer.Option(help="local.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Worker threads. Default: the processors there are.")] = None,
    until: Annotated[str | None, typer.Option(help="Stop after this segment, e.g. 3B.")] = None,
    partition_order: Annotated[int | None, typer.Option(help="Compute partitions in an order shuffled by this seed.", hidden=True)] = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    out: OutOption = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json_: JsonOption = False,
) -> None:
    """Build a world and publish it, gated and validated. The same request resumes, or does nothing if all is there."""
    from sim.backends import BackendUnavailable, get_backend
    from sim.shell.errors import BackendError, UsageError
    from sim.shell.planner import require_space
    from sim.shell.progress import reporter
    from sim.shell.run import Options, describe, run_world

    if executor != "local":
        raise UsageError("SHELL.UNKNOWN_EXECUTOR", f"there is no executor called {executor!r}", expected="local")
    prepared = prepared_request(preset, seed, scenario, set_, merchants, contracts, config)
    from sim.segments import SEGMENTS

    codes = [segment.code for segment in SEGMENTS]
    if until is not None and until not in codes:
        raise UsageError("SHELL.UNKNOWN_SEGMENT", f"there is no segment called {until!r}", expected=", ".join(codes))
    try:
        chosen = get_backend(backend)
    except BackendUnavailable as error:
        raise BackendError("SHELL.BACKEND_UNAVAILABLE", str(error), do="closedworld doctor") from error
    if "6A" in codes and until in (None, *codes[codes.index("6A") :]):
        require_space(prepared, out)
    options = Options(out=out, workers=workers or default_workers(), until=until, order_seed=partition_order, executor=executor)
    result = run_world(prepared, SEGMENTS, chosen, options, reporter(quiet or json_))
    datasets = [item for bundle in result.bundles.values() for item in bundle.datasets]
    rows = [(item.dataset, item.scenario or "", f"{item.rows:,}", f"{item.bytes / 1e6:,.1f}") for item in datasets]
    total = sum(item.bytes for item in datasets)
    checks = sum(len(bundle.checks) for bundle in result.bundles.values())
    text = [
        table(("dataset", "scenario", "rows", "MB"), rows, right=frozenset({2, 3})),
        "",
        f"world      {result.run_dir}  ({total / 1e6:,.1f} MB, {checks} checks passed)",
        f"seed       {prepared.request.seed}   scenarios {', '.join(prepared.scenarios)}   backend {chosen.name}",
    ]
    if "5B" in result.bundles:
        name = result.run_dir.name[:8]
        command = invoked(Path(sys.argv[0]), "closedworld") if Path(sys.argv[0]).stem == "closedworld" else "closedworld"
        python = invoked(Path(sys.executable), "python")
        where = name if out == Path("runs") else str(result.run_dir)
        text += [
            "",
            "try next",
            f"  {command} verify {where} --deep",
            f'  {command} sql {where} "select channel_group, count(*) as arrivals from arrival_events_5B group by 1"',
            f"  {python} -c \"import sim.world as cw; print(cw.open('{result.run_dir}')['arrival_events_5B'].to_polars())\"",
        ]
    emit(
        "run",
        {"run_id": prepared.run_id, "arrivals": sum(i.rows for i in datasets if i.dataset == "arrival_events_5B"), **describe(result)},
        "\n".join(text),
    )

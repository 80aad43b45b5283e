"""`closedworld verify`: is a run exactly what was published."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from sim.cli.common import ConfigOption, ContractsOption, JsonOption, RunArgument, emit, table

_SHALLOW = {
    False: "names, kinds and sizes; bytes not read: --deep hashes every one",
    True: (
        "names, sizes and the SHA-256 the store keeps, if any; bytes not read: --deep reads and hashes "
        "every one"
    ),
}


def verify(
    run: RunArgument,
    deep: Annotated[
        bool, typer.Option("--deep", help="Hash every byte and recompute every table's content digest.")
    ] = False,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare every published file with the flags, indexes and receipt of its run; list what is wrong.

    The checks of the run are compared with those its contracts demand.
    """
    from sim.objects.location import is_url, parse_url
    from sim.shell.contracts.load import load_contracts
    from sim.shell.request.receipt import refused
    from sim.shell.runs.find_run import find_run
    from sim.shell.runs.verify import content_check_of, verify_run
    from sim.world.gates import gates

    started = time.perf_counter()
    if is_url(run):
        from sim.objects.verify import verify_url

        report = verify_url(parse_url(run), gates(), deep, contracts, config)
    else:
        run_dir = find_run(run)
        content = content_check_of(run_dir, gates(), contracts, config) if deep else None
        report = verify_run(
            run_dir, gates(), content, contracts=load_contracts(contracts) if contracts else None
        )
    if report.problems:
        raise refused(report.problems)
    rows = [
        (
            s.segment,
            s.datasets,
            f"{s.files:,}",
            f"{s.rows:,}",
            f"{s.bytes / 1e6:,.1f}",
            s.checks,
            s.bundle_sha256[:16],
        )
        for s in report.segments
    ]
    seconds = time.perf_counter() - started
    how = "every byte hashed, every content digest recomputed" if deep else _SHALLOW[is_url(run)]
    text = [
        table(
            ("segment", "datasets", "files", "rows", "MB", "checks", "bundle"),
            rows,
            right=frozenset({1, 2, 3, 4, 5}),
        ),
        "",
        f"run       {report.run_id}",
        f"{'verified ' if deep else 'looked at'} {how} ({seconds:.2f} s)",
    ]
    if report.not_built:
        text.append(f"not built {', '.join(report.not_built)}")
    if report.checks_not_judged:
        which = ", ".join(report.checks_not_judged)
        text.append(
            f"checks    {which} built with other contracts: which checks those demand is not known "
            "(--contracts DIR)"
        )
    emit("verify", {**report.as_json(), "looked_at": how, "seconds": round(seconds, 3)}, text)

"""`closedworld bench`: timings. They live in `bench/` of a checkout, which no wheel holds."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.common import JsonOption, SetOption, default_workers, emit

Case = Annotated[
    list[str] | None,
    typer.Argument(help="Cases; `list` names them, `chart` draws results. Default: the standard ones."),
]


def bench(
    case: Case = None,
    runs: Annotated[
        int, typer.Option(min=1, help="Measurements a figure; medians and ranges are reported.")
    ] = 3,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Worker threads. Default: the processors there are.")
    ] = None,
    preset: Annotated[
        list[str] | None, typer.Option("--preset", "-p", help="Presets to build. Repeatable. Default: demo.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Arrivals for growth, e.g. 10M. Repeatable. Default: 10M and 100M."),
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Rows of kernel inputs and of the peers' files.")] = None,
    partitions: Annotated[str, typer.Option(help="Partitions of plan-scale.")] = "1M",
    only: Annotated[list[str] | None, typer.Option(help="Only this kernel or peer. Repeatable.")] = None,
    set_: SetOption = None,
    until: Annotated[str | None, typer.Option(help="Last segment of the worlds that are built.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another checkout, measured in turn (states, end-to-end).")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="What to call this machine in file names.")] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(help="Where worlds are built and removed. Default: the temporary directory."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File for a case's result, folder for several. Default: bench/results."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure and keep the figures as JSON with the machine they were taken on. Needs a checkout."""
    from sim.ground.errors import UsageError

    main = _checkout()
    given: dict[str, Any] = {"runs": runs, "workers": workers or default_workers(), "until": until}
    try:
        given["partitions"] = main.count(partitions)
        if rows is not None:
            given["rows"] = main.count(rows)
        if size:
            given["sizes"] = tuple(main.count(text) for text in size)
        given |= {"settings": tuple(set_ or ()), "names": tuple(only or ())}
        given |= {"presets": tuple(preset)} if preset else {}
        given |= {"against": against.resolve()} if against else {}
        answer, text = main.main(case or [], given, machine, out, scratch)
    except main.Refused as error:
        raise UsageError("SHELL.USAGE", str(error), do="closedworld bench list") from None
    emit("bench", answer, text.splitlines())


def _checkout() -> Any:
    """The module `bench.main` of the checkout this command was started from."""
    import sim
    from sim.ground.errors import UsageError

    root = Path(sim.__file__).resolve().parents[1]
    if not (root / "bench" / "main.py").is_file():
        raise UsageError(
            "SHELL.BENCH_NEEDS_A_CHECKOUT",
            "timings are part of the sources, not of an installed package",
            found=f"no bench/main.py in {root}",
            do="clone the repository, run `make`, then .venv/bin/closedworld bench",
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return import_module("bench.main")

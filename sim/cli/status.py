"""`closedworld status`: which runs there are, and how far each got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.common import JsonOption, OutOption, emit, local_out, table
from sim.cli.complete import complete_run


def status(
    run: Annotated[
        str | None,
        typer.Argument(
            help="Run directory, run id (prefix) or URL; without it, all runs.", autocompletion=complete_run
        ),
    ] = None,
    out: OutOption = "runs",
    json_: JsonOption = False,
) -> None:
    """List runs (complete, partial, running, damaged), or the states of one run with rows and seconds.

    Proves nothing: see verify.
    """
    import contextlib
    from dataclasses import asdict

    from sim.ground.errors import SimError
    from sim.ground.paths import contracts_root
    from sim.objects.location import is_url, parse_url
    from sim.objects.verify import list_urls, url_status
    from sim.segments import CODES
    from sim.shell.contracts.load import load_contracts
    from sim.shell.runs.built_with import left_out
    from sim.shell.runs.figures import arrivals, manifest_figures
    from sim.shell.runs.find_run import find_run
    from sim.shell.runs.status import asked_for, list_runs, run_status, state_rows
    from sim.state.switches import named

    if run is None:
        runs = list_urls(parse_url(out), CODES) if is_url(out) else list_runs(Path(out), CODES)
        rows = [
            (
                one.run_id[:12],
                one.state,
                one.preset,
                one.seed,
                ",".join(one.scenarios),
                one.passed[-1] if one.passed else "",
                f"{one.bytes / 1e6:,.1f}",
                one.note or one.holder,
            )
            for one in runs
        ]
        headers = ("run", "state", "preset", "seed", "scenarios", "passed", "MB", "")
        text = (
            table(headers, rows, right=frozenset({6}))
            if rows
            else f"no runs under {out}; closedworld run builds one"
        )
        emit("status", {"runs": [asdict(one) for one in runs]}, text)
        return
    off: dict[str, str] = {}
    if is_url(run):
        one, states, datasets, asked = url_status(parse_url(run), CODES)
    else:
        run_dir = find_run(run, local_out(out, "a run id"))
        one, states = run_status(run_dir, CODES), state_rows(run_dir, CODES)
        datasets, asked = manifest_figures(run_dir, CODES), asked_for(run_dir)
        with contextlib.suppress(SimError):  # a damaged seal or other contracts: `verify` says which
            off = {
                named(key): str(switch)
                for key, switch in left_out(run_dir, one.passed, load_contracts(contracts_root())).items()
            }
    cells = [
        (
            state["state"],
            state["status"],
            f"{state['rows']:,}",
            "" if state["wall_ms"] is None else f"{state['wall_ms'] / 1000:.2f}",
            state["partitions_resumed"] or "",
            "" if state["peak_rss_bytes"] is None else f"{state['peak_rss_bytes'] / 1e6:,.0f}",
            state["error_code"] or "",
        )
        for state in states
    ]
    lines = [
        table(
            ("state", "status", "rows", "seconds", "resumed", "peak MB", ""),
            cells,
            right=frozenset({2, 3, 4, 5}),
        ),
        "",
        f"run       {one.run_id}  {one.state}{f' ({one.holder})' if one.holder else ''}",
        f"built     preset {one.preset}, seed {one.seed}, scenarios {', '.join(one.scenarios)}",
        *(
            f"override  {key}={json.dumps(value, ensure_ascii=False)}"
            for key, value in asked["overrides"].items()
        ),
        *(f"file      {_origin(entry)}SHA-256 {entry['sha256']}" for entry in asked["externals"]),
        (
            f"passed    {', '.join(one.passed) or 'nothing yet'} (by its flags; closedworld verify looks at "
            "the files)"
        ),
        *(f"left out  {name}: it is published when {switch}" for name, switch in off.items()),
        f"arrivals  {arrivals(datasets):,}",
        (
            f"size      {one.bytes / 1e6:,.1f} MB, {sum(entry['bytes'] for entry in datasets) / 1e6:,.1f} "
            "MB of it published rows"
        ),
    ]
    ended = [
        {**state, "ended_utc": state["ended_utc"].isoformat() if state["ended_utc"] else None}
        for state in states
    ]
    payload: dict[str, Any] = {
        "run": asdict(one),
        "asked": asked,
        "states": ended,
        "left_out": off,
        "datasets": datasets,
    }
    payload["arrivals"] = arrivals(datasets)
    emit("status", payload, lines)


def _origin(entry: dict[str, Any]) -> str:
    return f"{entry['file'] or 'a file'} as {entry['input']}, " + (
        "" if entry["rows"] is None else f"{entry['rows']:,} rows, "
    )

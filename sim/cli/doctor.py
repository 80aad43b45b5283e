"""`closedworld doctor`: is this machine fit to build worlds."""

from __future__ import annotations

import typer

from sim.cli.common import ConfigOption, ContractsOption, JsonOption, OutOption, emit, local_out, table


def doctor(
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    out: OutOption = "runs",
    json_: JsonOption = False,
) -> None:
    """Look at versions, caches, backends, space and the reference snapshot; say what would help."""
    from sim.cli.machine import examine
    from sim.ground.paths import config_root, contracts_root
    from sim.model import MODEL

    findings = examine(
        contracts or contracts_root(), config or config_root(), local_out(out, "doctor"), MODEL.states
    )
    bad = [finding for finding in findings if not finding.ok]
    rows = [("ok" if finding.ok else "BAD", finding.name, finding.found, finding.do) for finding in findings]
    verdict = "everything needed is there" if not bad else f"{len(bad)} thing(s) stand in the way"
    emit(
        "doctor",
        {"healthy": not bad, "findings": [finding.as_json() for finding in findings]},
        [table(("", "what", "found", "do"), rows), "", verdict],
    )
    if bad:
        raise typer.Exit(bad[0].exit_code)

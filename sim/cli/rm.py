"""`closedworld rm`: remove a run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sim.cli.common import JsonOption, RunArgument, emit, refuse_usage


def rm(
    run: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonOption = False,
) -> None:
    """Remove a run directory, after asking.

    It refuses a run that is being worked on, what is not a run's, and a path through a link.
    """
    from sim.ground.plain_text import one_line
    from sim.objects.location import is_url
    from sim.shell.runs.find_run import find_run
    from sim.shell.runs.remove import look, remove_run

    if is_url(run):
        refuse_usage(
            "closedworld rm removes local run directories; objects are removed with the store's own tools"
        )
    found = look(find_run(run))
    size = f"{found.files:,} files, {found.bytes / 1e6:,.1f} MB"
    if not yes:
        if json_ or not sys.stdin.isatty():
            refuse_usage("there is nobody to ask whether the run may be removed: give --yes")
        if not typer.confirm(one_line(f"remove {found.path} ({size})?"), err=True):
            raise typer.Exit(1)
    remove_run(found)
    emit(
        "rm",
        {"run_dir": str(found.path), "files": found.files, "bytes": found.bytes},
        one_line(f"removed {found.path} ({size})"),
    )

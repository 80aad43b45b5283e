"""The list of commands; each lives in its own file and is imported here so that `--help` knows it."""

from __future__ import annotations

import typer

from sim.cli import run


def register(app: typer.Typer) -> None:
    """Attach every command to the application."""
    app.command("run")(run.run)

"""`closedworld duckdb`: a shell on a world."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import RunArgument, refuse
from sim.ground.plain_text import one_line

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.world.workbench import Workbench

MODES = ("table", "csv", "json")
HELP = """.tables         datasets, and tables about the run
.schema NAME    columns of one
.mode MODE      table, csv or json (an object a line)
.help  .quit
Anything else is SQL, up to a semicolon: SELECT over everything, and tables of your own,
which end with the session."""


def duckdb(
    run: RunArgument,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Make a DuckDB file of views on the run instead, for other tools."),
    ] = None,
    mode: Annotated[str, typer.Option(help="How rows are shown: table, csv or json.")] = "table",
) -> None:
    """Open a SQL shell on a run, every file verified first; or run the statements that stdin holds.

    Writes nothing into the run.
    """
    import sim.world as cw
    from sim.ground.errors import SimError, UsageError
    from sim.world.workbench import Workbench, write_views

    if mode not in MODES:
        raise UsageError(
            "SHELL.USAGE",
            f"there is no mode called {mode!r}",
            expected=", ".join(MODES),
            do="closedworld duckdb --help",
        )
    world = cw.open(run)
    if to is not None:
        write_views(world, to)
        sys.stdout.write(one_line(f"made {to}: views on {world.location}") + "\n")
        return
    shell = _Shell(Workbench(world), mode)
    asked = sys.stdin.isatty()
    if asked:
        _complete(shell.bench.names)
        sys.stderr.write(one_line(f"{world.location}: {len(world)} datasets; .help") + "\n")
    for text in _statements(asked):
        try:
            if not shell.run(text):
                return
        except SimError as error:
            if not asked:
                raise
            refuse(error)


class _Shell:
    def __init__(self, bench: Workbench, mode: str) -> None:
        self.bench, self.mode = bench, mode

    def run(self, text: str) -> bool:
        """Do what a line or statement says; False to end."""
        if not text.startswith("."):
            for statement in self.bench.statements(text):
                rows = self.bench.ask(statement)
                if rows is not None:
                    self.show(rows)
            return True
        word, _, rest = text.rstrip(";").partition(" ")
        if word in (".quit", ".exit"):
            return False
        if word == ".tables":
            sys.stdout.write("\n".join(self.bench.names) + "\n")
        elif word == ".schema" and rest.strip() in self.bench.names:
            self.run(f"describe {rest.strip()}")
        elif word == ".mode" and rest.strip() in MODES:
            self.mode = rest.strip()
        else:
            sys.stderr.write(HELP + "\n")
        return True

    def show(self, rows: pa.RecordBatchReader) -> None:
        from sim.cli.rows import write_csv, write_json_lines, write_table

        if self.mode == "csv":
            write_csv(rows)
        elif self.mode == "json":
            write_json_lines(rows)
        else:
            write_table(rows, 200)


def _statements(asked: bool) -> Iterator[str]:
    """Lines that begin with a dot, and texts up to a line that ends in a semicolon or to the end of input."""
    held = ""
    while True:
        try:
            line = input("world> " if not held else "  ...> ") + "\n" if asked else sys.stdin.readline()
        except EOFError:
            line = ""
        if not line:
            break
        line = line.rstrip("\n")
        if not held and line.lstrip().startswith("."):
            yield line.strip()
            continue
        held += line + "\n"
        if line.rstrip().endswith(";") and held.count("'") % 2 == 0:
            yield held.strip()
            held = ""
    if held.strip():
        yield held.strip()


def _complete(names: tuple[str, ...]) -> None:
    """Tab completes tables and words of the shell; no history is kept."""
    import readline

    words = (
        *names,
        ".tables",
        ".schema",
        ".mode",
        ".help",
        ".quit",
        "select",
        "from",
        "where",
        "group by",
        "order by",
        "limit",
    )

    def complete(text: str, number: int) -> str | None:
        fits = [word for word in words if word.startswith(text)]
        return fits[number] if number < len(fits) else None

    readline.set_completer_delims(" \t\n(),;")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")

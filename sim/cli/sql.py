"""`closedworld sql`: ask a published run."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.common import JsonOption, RunArgument, refuse_usage, settings


def sql(
    run: RunArgument,
    query: Annotated[str, typer.Argument(help="One SELECT; every dataset is a view of its name.")],
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values with a header line.")] = False,
    limit: Annotated[
        int,
        typer.Option(
            min=0,
            help=(
                "Most rows shown as a table, whose first rows decide the widths; 0 for all. --csv and "
                "--json always give all."
            ),
        ),
    ] = 200,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory the query may take, e.g. 1GiB. Default: three quarters of what is free.",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Answer one SELECT over the run's datasets with DuckDB.

    Only proven files can be read, and nothing written.
    """
    import sim.world as cw
    from sim.cli.memory import parse_size
    from sim.cli.rows import write_csv, write_json, write_table

    if csv and json_:
        refuse_usage("--csv and --json exclude each other")
    stream = cw.open(run).stream(query, None if memory_limit is None else parse_size(memory_limit))
    if csv:
        write_csv(stream)
    elif settings.json:
        write_json(stream)
    else:
        write_table(stream, limit)

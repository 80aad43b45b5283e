"""`closedworld explain`: one row, where it came from, and every draw behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.common import ConfigOption, ContractsOption, JsonOption, RunArgument, emit, table
from sim.cli.complete import complete_dataset, complete_scenario

if TYPE_CHECKING:
    from sim.world.explain import Explanation


_DRAWS_SHOWN = 60
"""A sum over a day may have thousands of draws: text shows the first of them."""


def explain(
    run: RunArgument,
    dataset: Annotated[str, typer.Argument(help="Dataset id.", autocompletion=complete_dataset)],
    key: Annotated[list[str], typer.Argument(help="Primary key values in order, or column=value.")],
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", help="Scenario, where the run has several.", autocompletion=complete_scenario
        ),
    ] = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> None:
    """Show a row, what it was made of and every draw that decided it, and compute its partition again.

    A draw is shown with its stream, key, counter and word, and with what was made of the word. Sums and links
    point to the rows that they are made of, where further draws are shown.
    """
    import sim.world as cw
    from sim.world.explain import explain as explain_row

    found = explain_row(cw.open(run, contracts, config), dataset, key, scenario)
    emit("explain", _payload(found), _text(found))


def _text(found: Explanation) -> list[str]:
    from sim.cli.rows import text

    columns = found.contract.table.columns
    rows = [
        (c.name, "null" if found.row[c.name] is None else text(found.row[c.name]), c.unit, c.description)
        for c in columns
    ]
    again = found.regenerated
    proof = (
        f"not computed again: {again.note}"
        if again.equal is None
        else f"partition {again.partition} computed again: {'the same row' if again.equal else 'ANOTHER ROW'}"
    )
    lines = [
        (
            f"{found.contract.id}{f' ({found.scenario})' if found.scenario else ''}: "
            f"{found.contract.description}"
        ),
        "",
        table(("column", "value", "unit", "meaning"), rows),
        "",
        f"file        {found.file}",
        f"made by     {found.state} {found.title}, with config {', '.join(found.config) or 'none'}",
        f"regenerated {proof}",
    ]
    if found.ancestors:
        lines += ["", "came from"]
        for ancestor in found.ancestors:
            shown = ", ".join(
                f"{name}={'null' if value is None else text(value)}" for name, value in ancestor.row.items()
            )
            several = f" ({ancestor.rows:,} rows, the first)" if ancestor.rows > 1 else ""
            lines.append(f"  {ancestor.dataset} [{ancestor.how}]{several}: {shown or 'nothing'}")
    if found.draws:
        heads = ("stream", "key", "c0", "c1", "lane", "word", "uniform", "made", "value", "decides")
        cells = [
            (
                d.stream,
                d.key,
                f"{d.c0:#x}",
                f"{d.c1:#x}",
                d.lane,
                d.word,
                f"{d.uniform:.12f}",
                d.made,
                _value(d.value),
                d.decides,
            )
            for d in found.draws[:_DRAWS_SHOWN]
        ]
        lines += ["", f"draws ({len(found.draws):,})", table(heads, cells, right=frozenset({4}))]
        if len(found.draws) > _DRAWS_SHOWN:
            lines.append(f"... and {len(found.draws) - _DRAWS_SHOWN:,} more: --json has them all")
    shown_above = {draw.stream for draw in found.draws}
    rest = [
        tuple(stream[name] for name in ("id", "key", "entity", "c0", "c1", "draws"))
        for stream in found.streams
        if stream["id"] not in shown_above
    ]
    if rest:
        lines += [
            "",
            "other streams of the state",
            table(("stream", "key", "entity", "c0", "c1", "draws"), rest),
        ]
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _value(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _payload(found: Explanation) -> dict[str, Any]:
    from dataclasses import asdict

    from sim.cli.rows import plain

    return {
        "dataset": found.contract.id,
        "scenario": found.scenario,
        "row": {name: plain(value) for name, value in found.row.items()},
        "file": found.file,
        "state": found.state,
        "config": list(found.config),
        "regenerated": asdict(found.regenerated),
        "ancestors": [
            {
                "dataset": a.dataset,
                "how": a.how,
                "rows": a.rows,
                "row": {name: plain(value) for name, value in a.row.items()},
            }
            for a in found.ancestors
        ],
        "streams": found.streams,
        "draws": [{**asdict(draw), "value": plain(draw.value)} for draw in found.draws],
        "notes": found.notes,
    }

"""`closedworld diff`: where two worlds differ. Ends like diff(1): 0 for equal, 1 for different."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.common import ConfigOption, ContractsOption, JsonOption, RunArgument, emit, table


def diff(
    run_a: RunArgument,
    run_b: RunArgument,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Believe the digests the runs recorded instead of hashing what they call equal.",
        ),
    ] = False,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare two runs dataset by dataset; show the first difference of each and count rows.

    Exit 0 equal, 1 different.
    """
    from dataclasses import asdict

    import sim.world as cw
    from sim.world.compare import compare

    a, b = (cw.open(run, contracts, config) for run in (run_a, run_b))
    found = compare(a, b, recorded)
    rows = []
    for one in found.different:
        name = f"{one.dataset} ({one.scenario})" if one.scenario else one.dataset
        counts = (f"{count:,}" for count in (one.only_a, one.only_b, one.changed, one.unchanged))
        rows.append((name, one.first_part, *counts))
    text = [f"A {a.location}", f"B {b.location}"]
    if rows:
        text += [
            "",
            table(
                ("differs", "first file", "rows only in A", "only in B", "changed", "unchanged"),
                rows,
                right=frozenset({2, 3, 4, 5}),
            ),
        ]
    text += [f"  {one.dataset}: {one.note}" for one in found.different if one.note]
    for one in found.different:
        if one.first:
            key = ", ".join(f"{name}={value}" for name, value in one.first["key"].items())
            column = f".{one.first['column']}" if one.first["column"] else ""
            text.append(f"  {one.dataset}{column} at {key}: A {one.first['a']}, B {one.first['b']}")
    text += [f"only in A   {name}" for name in found.only_a] + [
        f"only in B   {name}" for name in found.only_b
    ]
    how = "by the digests they recorded; bytes not read" if recorded else "every byte of them hashed"
    text += ["", f"{len(found.equal)} dataset(s) equal ({how}), {len(found.different)} different"]
    causes = [(name, *map(str, values)) for name, values in found.identity.items()]
    if causes:
        text += [
            "",
            table(
                ("receipt", "A", "B"),
                [(name, *(value[:60] for value in values)) for name, *values in causes[:20]],
            ),
        ]
        text += [f"... and {len(causes) - 20} more"] if len(causes) > 20 else []
    payload = {
        "equal": found.same,
        "looked_at": "recorded digests" if recorded else "every byte",
        "a": a.run_id,
        "b": b.run_id,
        "equal_datasets": list(found.equal),
        "different": [asdict(one) for one in found.different],
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "receipt": {name: {"a": left, "b": right} for name, (left, right) in found.identity.items()},
    }
    emit("diff", payload, text)
    if not found.same:
        raise typer.Exit(1)

"""`closedworld contracts`: prove that contracts agree, or read one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.common import ConfigOption, ContractsOption, JsonOption, emit, table
from sim.cli.complete import complete_dataset

app = typer.Typer(no_args_is_help=True, help="Contracts: prove that they agree, or read one.")


WriteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--write",
        metavar="RUN",
        help="First write into the registries which checks the states of this run made; repeat it: only what "
        "every run checked is demanded.",
    ),
]


@app.command("lint")
def lint(
    write: WriteOption = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> None:
    """Check every contract, config pack, preset and state declaration against each other."""
    from sim.ground.paths import config_root, contracts_root
    from sim.model import MODEL
    from sim.shell.contracts.answers import load_answers
    from sim.shell.contracts.config import config_folder
    from sim.shell.contracts.lint import lint as check
    from sim.shell.contracts.load import load_contracts

    root = contracts or contracts_root()
    written = _write(root, write) if write else []
    compiled = load_contracts(root)
    report = check(compiled, config_folder(config or config_root()), MODEL.states)
    report.require()
    answers = load_answers(root)
    answers.require()
    looked_at = {**report.looked_at, "answers": len(answers.names)}
    looked = ", ".join(f"{count} {what}" for what, count in looked_at.items())
    lines = [
        f"{root.name}/{row['file']}: {row['state']} {does} {name!r}"
        for row in written
        for does, names in (("demands", row["added"]), ("no longer demands", row["removed"]))
        for name in names
    ]
    if write and not lines:
        lines = ["the registries demand what these runs checked: nothing to write"]
    emit(
        "contracts.lint",
        {"digest": compiled.digest, "looked_at": looked_at, "written": written},
        [*lines, f"all agree: {looked}", f"digest {compiled.digest}"],
    )


def _write(root: Path, runs: list[str]) -> list[dict[str, Any]]:
    """Fill the registries from runs; what was changed, JSON-ready."""
    from sim.shell.contracts.load import load_contracts
    from sim.shell.runs.check_names import write_checks
    from sim.shell.runs.find_run import find_run
    from sim.world.gates import gates

    changed = write_checks(load_contracts(root), [find_run(run) for run in runs], gates())
    return [
        {"file": row.file, "state": row.state, "added": list(row.added), "removed": list(row.removed)}
        for row in changed
    ]


@app.command("mccs")
def mccs(contracts: ContractsOption = None, config: ConfigOption = None, json_: JsonOption = False) -> None:
    """List the merchant category codes a merchants file may use, with their trade and demand classes."""
    from sim.ground.paths import config_root, contracts_root
    from sim.shell.contracts.config import config_folder, resolve
    from sim.shell.contracts.load import load_contracts

    pack = resolve(
        load_contracts(contracts or contracts_root()), config_folder(config or config_root()), []
    ).params["mcc_taxonomy_1A"]
    found = sorted(pack.mccs, key=lambda entry: int(entry.mcc))
    rows = [
        (f"{entry.mcc:04d}", entry.name, entry.sector, *(name for _, name in entry.demand_class.items()))
        for entry in found
    ]
    channels = [name for name, _ in found[0].demand_class.items()]
    listed = [
        {
            "mcc": int(one.mcc),
            "name": one.name,
            "sector": one.sector,
            "demand_class": one.demand_class.plain(),
        }
        for one in found
    ]
    emit("contracts.mccs", {"mccs": listed}, table(("mcc", "trade", "sector", *channels), rows))


@app.command("show")
def show(
    id: Annotated[
        str | None,
        typer.Argument(
            help="Dataset, config pack, kernel, stream or vocabulary; without it, all ids.",
            autocompletion=complete_dataset,
        ),
    ] = None,
    contracts: ContractsOption = None,
    json_: JsonOption = False,
) -> None:
    """Print one contract: of a dataset, a config pack, a kernel, a random stream or a vocabulary.

    A dataset's contract lists its columns and keys.
    """
    from sim.ground.paths import contracts_root
    from sim.shell.contracts.load import load_contracts
    from sim.shell.contracts.text import contract_rows, listing

    compiled = load_contracts(contracts or contracts_root())
    if id is None:
        ids = listing(compiled)
        emit(
            "contracts.list",
            {"contracts": [{"kind": kind, "id": name, "about": about} for kind, name, about in ids]},
            table(("kind", "id", "about"), ids),
        )
        return
    found = contract_rows(compiled, id, _readers() if id in compiled.datasets else {})
    text = [
        f"{found.kind} {found.id}",
        f"  {found.about}",
        *(f"  {label:<12} {value}" for label, value in found.facts),
    ]
    if found.rows:
        text += ["", table(found.headers, found.rows)]
    emit("contracts.show", found.as_json(), text)


def _readers() -> Mapping[str, Sequence[str]]:
    """Who reads each dataset: only the model knows, and takes its time to load."""
    from sim.model import MODEL

    return MODEL.readers


@app.command("catalogue")
def list_outputs(contracts: ContractsOption = None, json_: JsonOption = False) -> None:
    """List every dataset: where it lies, keys, joins, its part in the model, its gate, columns and switch.

    For programs: --json.
    """
    from sim.ground.paths import contracts_root
    from sim.model import MODEL
    from sim.shell.contracts.load import load_contracts
    from sim.shell.runs.catalogue import ROLES, catalogue

    compiled = load_contracts(contracts or contracts_root())
    entries = catalogue(compiled, MODEL.readers)
    rows = [
        (
            entry["id"],
            entry["produced_by"],
            entry["role"],
            ", ".join(entry["primary_key"]),
            ", ".join(sorted({key["dataset"] for key in entry["foreign_keys"]})),
            f"optional: {entry['published_when']}" if entry["published_when"] else "",
        )
        for entry in entries
    ]
    text = [
        table(("dataset", "made by", "role", "primary key", "refers to", ""), rows),
        "",
        *(f"{name}: {why}" for name, why in ROLES.items()),
    ]
    emit("contracts.catalogue", {"digest": compiled.digest, "roles": dict(ROLES), "datasets": entries}, text)

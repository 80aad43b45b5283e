"""Write into the registries which checks states ran; a segment is compared with these lists (`demanded.py`).

A list is a guard: code that runs fewer checks than it names does not pass. So the lists are kept apart from
the code, and are filled from runs only. What every given run has checked is demanded of every world: a run
with few merchants shows which checks need more of them.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sim.ground.contract_types import Contracts
from sim.ground.errors import ContractError, UsageError, storage_errors
from sim.shell.contracts.defaults import folder_of, kind_of
from sim.shell.contracts.strict_yaml import Located, load_text
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.publish.segment_order import is_events
from sim.shell.runs.opened import state_files

_HEAD = "checks:\n"


@dataclass(frozen=True)
class Rewritten:
    """A state's list of checks that was changed.

    Attributes:
        file: Registry, relative to the contracts folder.
        state: State id.
        added: Names that are demanded now.
        removed: Names or patterns that are demanded no more, since a run did not check them.
    """

    file: str
    state: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


def ran(run_dir: Path, codes: Iterable[str]) -> dict[str, set[str]]:
    """Names of the model checks of every state a run has published, its segment passed or not.

    Raises:
        GateError: If a manifest is damaged.
    """
    manifests = (
        StateManifest.decode(read_published(path), str(path)) for _, path in state_files(run_dir, codes)
    )
    return {
        each.state: {str(check["name"]) for check in each.checks if not check.get("dataset")}
        for each in manifests
    }


def wanted(listed: Sequence[str], found: Sequence[set[str]]) -> list[str]:
    """The list a state should have: its own names that every run checked, then what else every run checked.

    Args:
        listed: Names and patterns there are.
        found: The state's checks by run.
    """
    kept = [pattern for pattern in listed if all(fnmatch.filter(names, pattern) for names in found)]
    everywhere = set.intersection(*found)
    return kept + sorted(
        name for name in everywhere if not any(fnmatch.fnmatchcase(name, pattern) for pattern in kept)
    )


def write_checks(contracts: Contracts, runs: Sequence[Path], codes: Sequence[str]) -> list[Rewritten]:
    """Fill the registries of a contracts folder with what the states of some runs checked.

    Args:
        contracts: The compiled folder.
        runs: Run directories of the code at hand.
        codes: Gates to look behind.

    Returns:
        What was changed, by file and state.

    Raises:
        UsageError: `SHELL.NOTHING_TO_WRITE`: the runs have published no state.
        ContractError: `SHELL.CONTRACT_INVALID`: a registry has a layout in which no list can be replaced.
        GateError: As `ran`.
        StorageError: If a registry cannot be written.
    """
    by_run = [ran(run, codes) for run in runs]
    # what a gate of events demands follows from the streams
    states = sorted({state for found in by_run for state in found if not is_events(state)})
    if not states:
        where = ", ".join(map(str, runs))
        raise UsageError(
            "SHELL.NOTHING_TO_WRITE",
            "no state was published here",
            "no manifest",
            "a run",
            where,
            "closedworld run",
        )
    changed: list[Rewritten] = []
    lists: dict[str, dict[str, list[str]]] = {}
    for state in states:
        before = contracts.checks.get(state, ())
        after = wanted(before, [found[state] for found in by_run if state in found])
        if after != list(before):
            file = _registry(contracts, state)
            lists.setdefault(file, {})[state] = after
            added, removed = (
                tuple(x for x in a if x not in b) for a, b in ((after, before), (before, after))
            )
            changed.append(Rewritten(file, state, added, removed))
    texts = {
        file: _rewritten(contracts.root, contracts.located[file], file, new) for file, new in lists.items()
    }
    for file, text in texts.items():  # all of them can be written, or none is
        _replace(contracts.root / file, text)
    return changed


def _registry(contracts: Contracts, state: str) -> str:
    """The registry with the state's list; else one beside its datasets' dictionary; else its segment's."""
    registries = {name: file.value for name, file in contracts.located.items() if kind_of(name) == "registry"}
    folders = {
        folder_of(name)
        for name, file in contracts.located.items()
        for entry in (file.value["datasets"] if kind_of(name) == "dictionary" else ())
        if entry["produced_by"] == state
    }
    ranked = sorted(
        registries,
        key=lambda name: (
            state not in registries[name].get("checks", {}),
            folder_of(name) not in folders,
            registries[name]["segment"] != state.partition(".")[0],
            name,
        ),
    )
    return ranked[0]


def _rewritten(root: Path, file: Located, name: str, lists: Mapping[str, Sequence[str]]) -> str:
    """The text of a registry with these lists in place of those it has; every other line stays."""
    with storage_errors(root / name, "reading a registry"):
        text = (root / name).read_text("utf-8")
    lines = [line + "\n" for line in text.splitlines()]
    if "checks" not in file.value:
        lines += [_HEAD]
    for state in sorted(
        lists,
        key=lambda state: -file.line_of(("checks", state)) if state in file.value.get("checks", {}) else 0,
    ):
        new = (
            [f"  {state}:\n", *(f"    - {_scalar(check)}\n" for check in lists[state])]
            if lists[state]
            else []
        )
        if state in file.value.get("checks", {}):
            begin = file.line_of(("checks", state)) - 1
            end = begin + 1
            while end < len(lines) and re.match(r"    - ", lines[end]):
                end += 1
            lines[begin:end] = new
        else:
            lines += new
    full = {**file.value.get("checks", {}), **lists}
    expected = {state: list(names) for state, names in full.items() if names}
    text = "".join(line for line in lines if expected or line != _HEAD)
    try:
        checks = load_text(text, name).value.get("checks", {})
    except ContractError:
        checks = None
    if checks != expected:
        raise ContractError(
            "SHELL.CONTRACT_INVALID",
            "The checks of a registry cannot be filled.",
            found="another layout",
            expected="a line a state, indented by two, and a line a name, indented by four",
            where=file.where(("checks",)),
            do="write `checks:` so, as the last key of the file",
        )
    return text


def _scalar(name: str) -> str:
    """A check's name as YAML: plain where it means itself."""
    try:
        plain = load_text(f"- {name}\n", "").value == [name]
    except ContractError:
        plain = False
    return name if plain else json.dumps(name)


def _replace(path: Path, text: str) -> None:
    with storage_errors(path, "writing a registry"):
        beside = path.with_name(f".{path.name}.{uuid4().hex}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)

"""Prove that contracts, configuration and states agree, and report everything that does not, at once.

`load_contracts` has already proven that every file parses, follows its meta-schema and refers only to what
exists. What is left is agreement: between tables and the keys over them, between dictionaries and the states
that read and write, between registries and the files under `config/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.ground.contract_types import Contracts, nearest
from sim.ground.errors import ContractError
from sim.ground.read_once import MAX_BYTES, Folder
from sim.shell.contracts.config import PRESET_SCHEMA, preset_names
from sim.shell.contracts.defaults import EVENTS, SHELL
from sim.shell.contracts.lint_defaults import default_problems, scenario_problems
from sim.shell.contracts.lint_numbers import number_problems
from sim.shell.contracts.lint_switches import switch_problems
from sim.shell.contracts.lint_tables import Places, dataset_problems, problem
from sim.shell.contracts.proofs import prove_once
from sim.shell.contracts.schema_check import combine, document_problems, row_text
from sim.shell.contracts.strict_yaml import load_from

SCOPES = ("ROW_LEVEL", "METADATA_ONLY")


class StateFacts(Protocol):
    """What lint needs to know of a state."""

    @property
    def id(self) -> str:
        """`SEG.S<k>`."""

    @property
    def reads(self) -> Mapping[str, str]:
        """Dataset id -> scope."""

    @property
    def config(self) -> Sequence[str]:
        """Ids of config packs."""

    @property
    def writes(self) -> Sequence[str]:
        """Dataset ids."""

    @property
    def external(self) -> Sequence[str]:
        """Ids of inputs the user may give."""

    @property
    def streams(self) -> Sequence[str]:
        """Stream ids."""

    @property
    def kernels(self) -> Sequence[str]:
        """Kernel names."""

    @property
    def per_scenario(self) -> bool:
        """Whether it runs once for each scenario of the run."""


@dataclass(frozen=True)
class LintReport:
    """Everything that does not agree, in file order, and how much was looked at."""

    problems: tuple[ContractError, ...]
    looked_at: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def rows(self) -> list[str]:
        """One line a problem: `file:line:col: what; found ...; expected ...`."""
        return [row_text(item) for item in self.problems]

    def require(self) -> None:
        """Raise one `ContractError` listing all problems, unless there are none."""
        combine(list(self.problems), "Contracts, configuration and states do not agree")


def lint(contracts: Contracts, config: Folder, states: Iterable[StateFacts]) -> LintReport:
    """Check that everything agrees.

    Args:
        contracts: Compiled contracts.
        config: Folder of config packs and presets.
        states: Every state of the model, the generic ones of the shell aside.
    """
    states = list(states)
    places = Places(contracts)
    found = [
        *dataset_problems(contracts, places),
        *number_problems(contracts, places),
        *default_problems(contracts, places),
        *scenario_problems(contracts, {state.id: state.per_scenario for state in states}, places),
        *switch_problems(contracts, states, places),
        *_datasets_and_states(contracts, states, places),
        *_states(contracts, states),
        *_unused(contracts, states, places),
        *_config_files(contracts, config, places),
        *_presets(contracts, config),
    ]
    looked_at = {
        "files": len(contracts.located),
        "datasets": len(contracts.datasets),
        "columns": sum(len(dataset.table.columns) for dataset in contracts.datasets.values()),
        "artefacts": len(contracts.artefacts),
        "kernels": len(contracts.kernels),
        "streams": len(contracts.streams),
        "states": len(states),
    }
    return LintReport(tuple(sorted(found, key=_file_order)), looked_at)


def prove_agreement(contracts: Contracts, config: Folder, states: Iterable[StateFacts]) -> None:
    """Run `lint`, unless the same code has already passed it for the same contracts and configuration files.

    Raises:
        ContractError: Listing everything that does not agree.
    """
    facts = list(states)
    examined = [("contracts", contracts.digest), *((f"state/{state.id}", "declared") for state in facts)]
    for name in config.names:  # a file that is no pack's is found by its name alone
        packs = name.endswith(".yaml") and name.startswith(("layer", "presets/"))
        examined.append((f"config/{name}", _digest(config, name) if packs else "named"))
    examined += [
        (f"pack/{artefact.path}", _digest(config, artefact.path)) for artefact in contracts.artefacts.values()
    ]
    prove_once("lint", examined, lambda: lint(contracts, config, facts).require())


def _digest(config: Folder, name: str) -> str:
    try:
        return config.read(name, MAX_BYTES).sha256
    except ContractError as error:
        if error.code == config.code:
            raise
        return f"unreadable: {error.found}"


def _file_order(item: ContractError) -> tuple[str, int]:
    name, _, rest = item.where.partition(":")
    return name, int(rest.partition(":")[0] or 0)


def _datasets_and_states(
    contracts: Contracts, states: list[StateFacts], places: Places
) -> Iterator[ContractError]:
    """produced_by <-> writes."""
    for id, dataset in contracts.datasets.items():
        writers = sorted(state.id for state in states if id in state.writes)
        if writers != (
            [] if dataset.produced_by == SHELL or dataset.segment == EVENTS else [dataset.produced_by]
        ):
            where = places.of("datasets", id, "produced_by")
            yield problem(
                f"{id} must have one producer.",
                f"written by {', '.join(writers) or 'no state'}",
                dataset.produced_by,
                where,
            )


def _states(contracts: Contracts, states: list[StateFacts]) -> Iterator[ContractError]:
    """Whatever a state names exists."""
    ids = [state.id for state in states]
    for state in states:
        if ids.count(state.id) > 1:
            yield problem("A state is declared twice.", state.id, "each id once", state.id)
        named: list[tuple[str, Iterable[str], Mapping[str, object]]] = [
            ("dataset", state.reads, contracts.datasets),
            ("dataset", state.writes, contracts.datasets),
            ("config pack", state.config, contracts.artefacts),
            ("stream", state.streams, contracts.streams),
            ("kernel", state.kernels, contracts.kernels),
        ]
        for kind, names, known in named:
            for name in names:
                if name not in known:
                    yield problem(
                        f"State {state.id} names an unknown {kind}.",
                        name,
                        f"a {kind}",
                        state.id,
                        nearest(name, known),
                    )
        for name, scope in state.reads.items():
            if scope not in SCOPES:
                yield problem(
                    f"State {state.id} reads {name} in an unknown scope.",
                    scope,
                    " or ".join(SCOPES),
                    state.id,
                )


def _unused(contracts: Contracts, states: list[StateFacts], places: Places) -> Iterator[ContractError]:
    """Streams that no state draws from, fields in no address and config packs that no state reads.

    A prior that no state reads looks like a knob and changes nothing.
    """
    for name, stream in contracts.streams.items():
        users = [state.id for state in states if name in state.streams]
        where = places.of("streams", name, "state")
        if not users:
            yield problem(f"Stream {name} is drawn from by no state.", "no user", "a state", where)
        elif users != [stream.state]:
            what = f"Stream {name} must name the one state that draws from it."
            yield problem(
                what, f"state: {stream.state}" if stream.state else "no state", ", ".join(users), where
            )
    named = {field.name for stream in contracts.streams.values() for field in stream.all_fields}
    for name in contracts.streams.fields:
        if name not in named:
            yield problem(
                f"Field {name} is part of no address.", "no user", "a stream", places.of("fields", name)
            )
    packs = {name for state in states for name in state.config}
    for name in contracts.artefacts:
        if name not in packs:
            yield problem(
                f"Config pack {name} is read by no state.",
                "no reader",
                "a state",
                places.of("artefacts", name),
            )


def _config_files(contracts: Contracts, config: Folder, places: Places) -> Iterator[ContractError]:
    """Every pack's file exists and validates; every file under config/layer*/ is some pack's."""
    registered: dict[str, str] = {}
    names = set(config.names)
    for id, artefact in contracts.artefacts.items():
        where = places.of("artefacts", id, "path")
        if artefact.path in registered:
            yield problem(
                f"{artefact.path} is registered twice.",
                f"{id} and {registered[artefact.path]}",
                "one pack a file",
                where,
            )
            continue
        registered[artefact.path] = id
        # below a linked directory nothing is listed
        if artefact.path not in names and not (config.root / artefact.path).is_file():
            yield problem(
                f"Config pack {id} has no file.", "nothing", f"{config.root.name}/{artefact.path}", where
            )
            continue
        yield from _document(contracts, config, artefact.path, artefact.schema)
    for relative in config.below("layer"):
        if relative not in registered and not (config.root / relative).is_dir():
            name = f"{config.root.name}/{relative}"
            yield problem(
                "A config file belongs to no pack.",
                relative,
                "a registered path",
                f"{name}:1:1",
                nearest(relative, registered),
            )


def _presets(contracts: Contracts, config: Folder) -> Iterator[ContractError]:
    for stem in preset_names(config):
        relative = f"presets/{stem}.yaml"
        bad = list(_document(contracts, config, relative, PRESET_SCHEMA))
        yield from bad
        if bad:
            continue
        located = load_from(config, relative, f"{config.root.name}/{relative}")
        for key in located.value.get("set", {}):
            pack = key.partition(".")[0]
            if pack not in contracts.artefacts:
                where = located.where(("set", key))
                yield problem(
                    "A preset overrides an unknown pack.",
                    pack,
                    "a config pack",
                    where,
                    nearest(pack, contracts.artefacts),
                )


def _document(contracts: Contracts, config: Folder, relative: str, schema: str) -> Iterator[ContractError]:
    try:
        yield from document_problems(
            contracts.documents, schema, load_from(config, relative, f"{config.root.name}/{relative}")
        )
    except ContractError as error:
        if error.code == config.code:
            raise
        yield error

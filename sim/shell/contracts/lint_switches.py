"""Lint rules of optional datasets: the switch exists, and states that make or read the dataset may see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sim.ground.contract_types import Contracts, Dataset, Switch, nearest
from sim.ground.errors import ContractError
from sim.shell.contracts.lint_tables import Places, problem
from sim.shell.contracts.schema_check import resolve


class SwitchFacts(Protocol):
    """What these rules need to know of a state."""

    @property
    def id(self) -> str:
        """`SEG.S<k>`."""

    @property
    def reads(self) -> Mapping[str, str]:
        """Dataset id -> scope."""

    @property
    def writes(self) -> Sequence[str]:
        """Dataset ids."""

    @property
    def config(self) -> Sequence[str]:
        """Ids of config packs."""

    @property
    def external(self) -> Sequence[str]:
        """Ids of inputs the user may give."""


def switch_problems(
    contracts: Contracts, states: Sequence[SwitchFacts], places: Places
) -> Iterator[ContractError]:
    """Problems of every optional dataset."""
    for dataset in contracts.datasets.values():
        yield from _references(contracts, dataset, places)
        switch = dataset.published_when
        if switch is None:
            continue
        yield from _switch(contracts, dataset, switch, places.of("datasets", dataset.id, "published_when"))
        for state in states:
            if (dataset.id in state.writes or dataset.id in state.reads) and not _sees(state, switch):
                expected = f"{switch.config or switch.external} among its declared inputs"
                yield problem(
                    f"State {state.id} cannot tell whether {dataset.id} is published.",
                    "not declared",
                    expected,
                    state.id,
                )


def _sees(state: SwitchFacts, switch: Switch) -> bool:
    return switch.config in state.config if switch.config else switch.external in state.external


def _references(contracts: Contracts, dataset: Dataset, places: Places) -> Iterator[ContractError]:
    """A key into a dataset that may not be there can be checked only where both come and go together."""
    for number, key in enumerate(dataset.foreign_keys):
        target = contracts.datasets.get(key.dataset)
        if target is not None and target.published_when not in (None, dataset.published_when):
            where = places.of("datasets", dataset.id, "foreign_keys", number)
            found, expected = (
                f"{target.id}: when {target.published_when}",
                "a dataset that is published whenever this one is",
            )
            yield problem(f"{dataset.id} refers to what may not be published.", found, expected, where)


def _switch(contracts: Contracts, dataset: Dataset, switch: Switch, where: str) -> Iterator[ContractError]:
    if switch.config is None:
        return  # the producer's own rule checks that it may see the input
    pack = contracts.artefacts.get(switch.config)
    if pack is None:
        do = nearest(switch.config, contracts.artefacts)
        yield problem(
            f"{dataset.id} is switched by an unknown config pack.", switch.config, "a config pack", where, do
        )
        return
    schema: Mapping[str, Any] = resolve(contracts.documents, pack.schema, where)
    if schema.get("properties", {}).get(switch.key) != {"type": "boolean"} or switch.key not in schema.get(
        "required", ()
    ):
        found = f"{pack.id}.{switch.key}: {schema.get('properties', {}).get(switch.key, 'no such key')}"
        yield problem(
            f"{dataset.id} is switched by what is no switch.",
            found,
            "a required key of type boolean, true or false",
            where,
        )

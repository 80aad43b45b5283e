"""Optional datasets: what switches them, and which of them a request wants.

A contract names the switch of such a dataset (`published_when`). The switch is a truth value of a config
pack, or an input that the user may give. For data by scenario, `scenarios.<id>.<key>` of the pack overrides
`<key>`. Both kinds are part of the request, so a run's receipt says what the run had to publish: a dataset
that was switched off is not missing, and a dataset that was switched off but is present is a stranger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.ground.contract_types import SCENARIO_KEY, Contracts, Dataset

Key = tuple[str, str | None]
"""A dataset and a scenario; None where data are not by scenario."""
OWN = "scenarios"
"""Where a config pack says what is different in one scenario."""


@dataclass(frozen=True)
class Choices:
    """What decides which datasets a run publishes.

    Attributes:
        configs: Resolved content of each config pack, by artefact id.
        externals: Inputs the user gave.
        scenarios: Scenarios of the run.
    """

    configs: Mapping[str, Any]
    externals: Collection[str]
    scenarios: tuple[str, ...]

    @classmethod
    def of_receipt(cls, contracts: Contracts, receipt: Mapping[str, Any]) -> Choices:
        """What a run's receipt says of it."""
        parameters = receipt["parameters"]
        configs = {
            name: parameters[pack.path]
            for name, pack in contracts.artefacts.items()
            if pack.path in parameters
        }
        return cls(configs, tuple(receipt["externals"]), tuple(receipt["scenarios"]))


def is_published(dataset: Dataset, choices: Choices, scenario: str | None) -> bool:
    """Whether a run of this request publishes a dataset (of a scenario, if its data are by scenario)."""
    switch = dataset.published_when
    if switch is None:
        return True
    if switch.config is None:
        return switch.external in choices.externals
    pack = choices.configs[switch.config]
    own = pack[OWN] if scenario is not None and OWN in pack else {}
    if scenario in own and switch.key in own[scenario]:
        return bool(own[scenario][switch.key])
    return bool(pack[switch.key])


def directories(datasets: Iterable[Dataset], choices: Choices) -> set[Key]:
    """Every directory of datasets, switched off or not: each with the scenarios of the run."""
    return {
        (dataset.id, scenario)
        for dataset in datasets
        for scenario in (choices.scenarios if SCENARIO_KEY in dataset.partitioning else (None,))
    }


def asked_for(datasets: Iterable[Dataset], choices: Choices) -> set[Key]:
    """Every directory of datasets that a run of this request publishes."""
    known = {dataset.id: dataset for dataset in datasets}
    return {
        (id, scenario)
        for id, scenario in directories(known.values(), choices)
        if is_published(known[id], choices, scenario)
    }


def named(key: Key) -> str:
    """A directory as messages name it."""
    dataset, scenario = key
    return dataset if scenario is None else f"{dataset} of {scenario}"

"""From a request to an identity: contracts, configuration, reference and external inputs become one run id.

`prepare` reads everything that decides the content of a run and nothing else; `plan`, `run` and `doctor` all
start here.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sim import MODEL_VERSION, __version__
from sim.backends import Backend
from sim.ground.contract_types import Contracts, nearest
from sim.ground.errors import UsageError
from sim.ground.identity import manifest_fingerprint, parameter_hash, run_id
from sim.ground.names import SCENARIO, is_name
from sim.ground.paths import config_root, contracts_root
from sim.ground.read_once import Folder
from sim.shell.contracts.config import (
    Configuration,
    Preset,
    config_folder,
    given_overrides,
    load_preset,
    resolve,
)
from sim.shell.contracts.load import load_contracts
from sim.shell.publish.documents import RECEIPT_FORMAT
from sim.shell.tables.reference import Reference
from sim.state.frames import Frame
from sim.state.model import Facts, Model, Supplied, UserFile
from sim.state.params import place_of

DEFAULT_SEED = 42


@dataclass(frozen=True)
class Request:
    """A user's request.

    Attributes:
        preset: Preset name.
        seed: World seed, 0 .. 2**64 - 1.
        scenarios: Scenario ids; empty means the preset's.
        overrides: `--set` values by key.
        inputs: The user's own files by id of their table contract.
        contracts: Contract directory.
        config: Config directory.
    """

    preset: str = "demo"
    seed: int = DEFAULT_SEED
    scenarios: Sequence[str] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, UserFile] = field(default_factory=dict)
    contracts: Path = field(default_factory=contracts_root)
    config: Path = field(default_factory=config_root)


@dataclass(frozen=True)
class Prepared:
    """A request with everything that decides its content read - once -, validated and hashed."""

    request: Request
    model: Model
    preset: Preset
    contracts: Contracts
    config: Folder
    configuration: Configuration
    reference: Reference
    reference_digests: Mapping[str, str]
    supplied: Mapping[str, Supplied]
    externals: Mapping[str, Frame]
    external_digests: Mapping[str, str]
    vocabularies: Mapping[str, tuple[str, ...]]
    scenarios: tuple[str, ...]
    parameter_hash: str
    fingerprint: str

    @cached_property
    def run_id(self) -> str:
        """Name of the run directory."""
        return run_id(self.fingerprint, self.request.seed, self.scenarios)

    @property
    def facts(self) -> Facts:
        """What a model may look at before anything is built."""
        return Facts(
            contracts=self.contracts,
            params=self.configuration.params,
            vocabularies=self.vocabularies,
            reference=self.reference,
            scenarios=self.scenarios,
            externals=self.externals,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What goes into manifests and Parquet metadata."""
        return {
            "run_id": self.run_id,
            "seed": self.request.seed,
            "parameter_hash": self.parameter_hash,
            "manifest_fingerprint": self.fingerprint,
            "scenarios": list(self.scenarios),
            "model_version": MODEL_VERSION,
        }

    def receipt(self, backend: Backend, executor: str) -> dict[str, Any]:
        """Content of `run_receipt.json`: identity and resolved parameters, and provenance outside digests."""
        files = {name: _file_name(file.path) for name, file in self.request.inputs.items()}
        return {
            "format": RECEIPT_FORMAT,
            **self.identity,
            "preset": self.preset.name,
            "parameters": dict(self.configuration.documents),
            "reference": dict(self.reference_digests),
            "externals": dict(self.external_digests),
            "provenance": {
                **backend.describe,
                "executor": executor,
                "overrides": dict(self.request.overrides),
                "externals": {name: {"file": files[name], **one.told} for name, one in self.supplied.items()},
                "closedworld": __version__,
                "python": platform.python_version(),
                "pyarrow": pa.__version__,
                "numpy": np.__version__,
            },
        }


def _file_name(path: Path) -> str:
    """A file's name as JSON can hold it, whatever bytes it has."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def prepare(request: Request, model: Model) -> Prepared:
    """Read and validate everything a run depends on.

    Args:
        request: The user's request.
        model: What is to be run.

    Raises:
        ContractError: Anything malformed in contracts, config, reference or the user's files.
        UsageError: Unknown preset or scenario, impossible seed.
    """
    if not 0 <= request.seed < 2**64:
        raise UsageError(
            "SHELL.SEED_INVALID",
            "the seed does not fit 64 bits",
            found=str(request.seed),
            expected="0 .. 2**64 - 1",
        )
    contracts = load_contracts(request.contracts)
    config = config_folder(request.config)
    preset = load_preset(contracts, config, request.preset)
    configuration = resolve(contracts, config, [preset.overrides, given_overrides(request.overrides)])
    reference = Reference(request.config / "reference")
    vocabularies = {name: tuple(values) for name, values in contracts.vocabularies.items()}
    for name, (table, column) in contracts.reference_vocabularies.items():
        vocabularies[name] = reference.vocabulary(table, column)
    scenarios = tuple(sorted(set(request.scenarios or preset.scenarios)))
    known = known_scenarios(configuration, model)
    for scenario in scenarios:
        if scenario not in known:
            raise UsageError(
                "SHELL.UNKNOWN_SCENARIO",
                f"there is no scenario called {scenario!r}",
                expected=", ".join(known),
                where=place_of(configuration.params[model.scenario_pack], "scenarios"),
                do=nearest(scenario, known),
            )
    facts = Facts(contracts, configuration.params, vocabularies, reference, scenarios)
    supplied = {name: model.inputs[name](file, facts) for name, file in request.inputs.items()}
    external_digests = {name: one.digest for name, one in supplied.items()}
    parameters = parameter_hash(configuration.documents)
    digests = reference.digests()
    inputs = {f"reference/{name}": digest for name, digest in digests.items()}
    inputs |= {f"external/{name}": digest for name, digest in external_digests.items()}
    return Prepared(
        request=request,
        model=model,
        preset=preset,
        contracts=contracts,
        config=config,
        configuration=configuration,
        reference=reference,
        reference_digests=digests,
        supplied=supplied,
        externals={name: one.frame for name, one in supplied.items()},
        external_digests=external_digests,
        vocabularies=vocabularies,
        scenarios=scenarios,
        parameter_hash=parameters,
        fingerprint=manifest_fingerprint(contracts.digest, parameters, inputs),
    )


def known_scenarios(configuration: Configuration, model: Model) -> list[str]:
    """Scenario ids the configuration defines, sorted."""
    pack = configuration.params[model.scenario_pack]
    return sorted(scenario for scenario in pack.scenarios if is_name(SCENARIO, scenario))

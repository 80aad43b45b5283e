"""The contracts a run was built with, compared with those at hand: who may check which run.

A segment's seal names every contract file by digest. Only those contracts say which checks the segment owed
and how to read its tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.ground.contract_types import Contracts, Switch
from sim.ground.errors import ContractError
from sim.ground.json_text import load_json
from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import INDEX_NAME, gates_dir
from sim.shell.publish.publish import read_published
from sim.shell.publish.seal import SEAL_FORMAT, contracts_of
from sim.shell.request.receipt import read_receipt
from sim.shell.runs.demanded import unmet_demands
from sim.shell.runs.opened import passed_segments, seal_problems
from sim.state.switches import Choices, Key, asked_for, directories


class DemandedChecks:
    """Compares segments with what their contracts demand.

    Args:
        run_dir: Run directory, or the mirror of the documents of a run in an object store.
        contracts: The contracts at hand; the packaged ones by default.
    """

    def __init__(self, run_dir: Path, contracts: Contracts | None) -> None:
        self._run_dir = run_dir
        self._contracts = contracts or load_contracts(contracts_root())
        self.unknown: list[str] = []

    def problems(self, bundle: Bundle, receipt: Mapping[str, Any]) -> list[str]:
        """What contracts demand of a segment and it lacks.

        A segment that was built with other contracts is noted in `unknown` and not compared.
        """
        if sealed_contracts(self._run_dir, bundle.segment) != self._contracts.digest:
            self.unknown.append(bundle.segment)
            return []
        index = gates_dir(self._run_dir, bundle.segment) / INDEX_NAME
        return [f"{index}: {problem}" for problem in unmet_demands(self._contracts, bundle, receipt)]


def left_out(run_dir: Path, passed: Iterable[str], contracts: Contracts) -> dict[Key, Switch]:
    """Optional datasets that a run's passed segments do not publish, and the switch that would publish each.

    Nothing for segments that were built with other contracts than those given: those contracts are not at
    hand.

    Args:
        run_dir: Run directory, or the mirror of the documents of a run in an object store.
        passed: Segments that passed.
        contracts: The contracts at hand.
    """
    judged = [code for code in passed if sealed_contracts(run_dir, code) == contracts.digest]
    own = [
        item
        for item in contracts.datasets.values()
        if item.published_when and item.produced_by.split(".")[0] in judged
    ]
    if not own:
        return {}
    choices = Choices.of_receipt(contracts, read_receipt(run_dir))
    off = directories(own, choices) - asked_for(own, choices)
    return {
        key: switch for key in sorted(off, key=str) if (switch := contracts.dataset(key[0]).published_when)
    }


def require_same_contracts(
    run_dir: Path, codes: Sequence[str], contracts: Contracts, reference: Mapping[str, str]
) -> None:
    """Refuse to check a run by other contracts or another reference snapshot than it was built with.

    Raises:
        ContractError: `SHELL.CONTRACTS_DIFFER` or `SHELL.REFERENCE_DIFFERS`.
    """
    receipt = read_receipt(run_dir)
    for code in passed_segments(run_dir, codes):
        if seal_problems(run_dir, code, receipt):
            return  # the seal itself is broken: verification says so, file by file
        sealed = sealed_contracts(run_dir, code)
        if sealed != contracts.digest:
            raise ContractError(
                "SHELL.CONTRACTS_DIFFER",
                "this run was built with other contracts",
                found=f"{contracts.root}: SHA-256 {contracts.digest}",
                expected=f"SHA-256 {sealed}",
                do="pass --contracts DIR with the contracts of that run, or verify without --deep",
            )
    for name, digest in receipt["reference"].items():
        if reference.get(name) != digest:
            raise ContractError(
                "SHELL.REFERENCE_DIFFERS",
                f"this run was built with another reference table {name!r}",
                found=f"SHA-256 {reference.get(name)}",
                expected=f"SHA-256 {digest}",
                do="pass --config DIR with the reference snapshot of that run, or verify without --deep",
            )


def sealed_contracts(run_dir: Path, code: str) -> str:
    """Digest of the contracts a passed segment was sealed with, over its seal's rows."""
    path = gates_dir(run_dir, code) / f"sealed_inputs_{code}.json"
    rows = load_json(read_published(path), str(path), SEAL_FORMAT)["inputs"]
    return contracts_of(rows)

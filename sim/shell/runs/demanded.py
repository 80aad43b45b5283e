"""Checks that contracts demand: a segment that ran fewer does not pass, however green the others are.

`check_frame` makes the contract checks of a table. This module derives their names from the contract alone,
so it notices a check that is no longer made. The `checks` of a segment's registry name its model checks, by
state; `*` there is a category, scenario or stream, of which at least one must have been checked.

The run loop compares before it writes a flag and before it builds on one; `verify` compares runs that others
built.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from sim.ground.contract_types import Contracts, Dataset
from sim.ground.errors import GateError
from sim.shell.publish.bundle import Bundle
from sim.shell.tables.blind import blind_names
from sim.shell.tables.invariants import invariant_name
from sim.state.program import Segment
from sim.state.records import Published
from sim.state.switches import Choices, asked_for, named


def contract_checks(dataset: Dataset) -> list[str]:
    """Names of every check that the contract of a dataset demands, each once.

    Invariants over the same columns share a check.
    """
    names = ["schema", "sort_order", "primary_key", "seam.sort_order", "seam.primary_key"]
    for column in dataset.table.columns:
        if column.type == "category":
            names.append(f"codes.{column.name}")
        if column.type == "float64":
            names.append(f"finite.{column.name}")
        if column.minimum is not None or column.maximum is not None:
            names.append(f"range.{column.name}")
    for invariant in dataset.invariants:
        names += [invariant_name(invariant)] + (
            [f"seam.{invariant_name(invariant)}"] if invariant.kind == "contiguous" else []
        )
    names += blind_names(dataset)
    names += ["foreign_key." + "-".join(key.columns) for key in dataset.foreign_keys]
    return list(dict.fromkeys(names))


def missing_checks(
    contracts: Contracts, states: Iterable[str], datasets: Iterable[str], rows: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Demanded checks that are not among those that ran, each as `state or dataset: name`.

    Args:
        contracts: Compiled contracts.
        states: Ids of the segment's states.
        datasets: Datasets the segment published.
        rows: Checks as an index lists them.
    """
    ran: dict[str, set[str]] = {}
    for row in rows:
        ran.setdefault(str(row.get("dataset") or row["state"]), set()).add(str(row["name"]))
    wanted = [
        (dataset, name)
        for dataset in sorted(set(datasets))
        for name in contract_checks(contracts.dataset(dataset))
    ]
    missing = [f"{owner}: {name}" for owner, name in wanted if name not in ran.get(owner, ())]
    for state in states:
        found = ran.get(state, set())
        missing += [
            f"{state}: {name}" for name in contracts.checks.get(state, ()) if not fnmatch.filter(found, name)
        ]
    return missing


def unmet_demands(contracts: Contracts, bundle: Bundle, receipt: Mapping[str, Any]) -> list[str]:
    """Datasets and checks that contracts demand and a bundle lacks, and those that nothing demands.

    The bundle says only what it holds. The contracts say which states and datasets a segment has, and the
    request says which of the optional ones.

    Args:
        contracts: The contracts it was built with.
        bundle: The segment.
        receipt: The run's receipt.
    """
    published = {item.dataset for item in bundle.datasets}
    states = sorted(state for state in contracts.checks if state.split(".")[0] == bundle.segment)
    problems = [f"no contract declares {name!r}" for name in sorted(published - set(contracts.datasets))]
    try:
        problems += _unlike_asked(contracts, bundle, Choices.of_receipt(contracts, receipt))
    except (KeyError, TypeError, AttributeError) as error:
        # its parameters may be anything: no contract has checked them
        problems.append(
            f"the receipt does not say which optional datasets were asked for: {type(error).__name__} {error}"
        )
    missing = missing_checks(contracts, states, published & set(contracts.datasets), bundle.checks)
    return problems + [f"check {name!r} is demanded by the contracts and did not run" for name in missing]


def _unlike_asked(contracts: Contracts, bundle: Bundle, choices: Choices) -> list[str]:
    """Directories that the request demands of a segment and it lacks, and optional ones it has undemanded."""
    own = [item for item in contracts.datasets.values() if item.produced_by.split(".")[0] == bundle.segment]
    asked = asked_for(own, choices)
    found = {(item.dataset, item.scenario) for item in bundle.datasets if item.dataset in contracts.datasets}
    missing, unasked = (sorted(named(key) for key in keys) for keys in (asked - found, found - asked))
    problems = [f"dataset {name!r} is demanded by the contracts and not published" for name in missing]
    return problems + [
        f"dataset {name!r} is published, and the request does not ask for it" for name in unasked
    ]


def require_checks(
    contracts: Contracts, segment: Segment, published: Iterable[Published], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Refuse a segment that ran fewer checks than its contracts demand.

    Raises:
        GateError: `SHELL.CHECKS_MISSING`, naming them.
    """
    states = [program.state.id for program in segment.programs]
    missing = missing_checks(contracts, states, [item.dataset for item in published], rows)
    if missing:
        raise GateError(
            "SHELL.CHECKS_MISSING",
            f"{segment.code} ran fewer checks than its contracts demand: it does not pass",
            examples=missing,
            total=len(missing),
            do="restore the checks, or take their names out of contracts/ (that is another world)",
        )

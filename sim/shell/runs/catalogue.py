"""The catalogue of outputs: every dataset's place, keys, joins, use in the model, gate, switch, columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim.ground.contract_types import Contracts, Dataset
from sim.shell.contracts.defaults import EVENTS, SHELL
from sim.shell.publish.gate import FLAG_NAME
from sim.shell.publish.segment_order import state_of

ROLES: Mapping[str, str] = {
    "final": "read by no state that makes data: for users",
    "shared": "read by states of other segments",
    "internal": "read only by states of its own segment",
    "report": "what an invocation did; outside every gate",
    "events": "random draws one by one, behind a gate of their own",
    "log": "made from the indexes of all segments, which their flags prove; no file",
}


def catalogue(contracts: Contracts, readers: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One entry a dataset, in the order of the contracts, JSON-ready.

    Args:
        contracts: Compiled contracts.
        readers: Dataset id -> ids of the states that read it (`Model.readers`).
    """
    makers = {dataset.produced_by for dataset in contracts.datasets.values()}
    joined: dict[str, list[dict[str, Any]]] = {}
    for dataset in contracts.datasets.values():
        for key in dataset.foreign_keys:
            joined.setdefault(key.dataset, []).append(
                {"columns": list(key.to), "dataset": dataset.id, "by": list(key.columns)}
            )
    return [
        _entry(dataset, makers, readers.get(dataset.id, ()), joined.get(dataset.id, []))
        for dataset in contracts.datasets.values()
    ]


def _entry(
    dataset: Dataset, makers: Iterable[str], readers: Sequence[str], joined: list[dict[str, Any]]
) -> dict[str, Any]:
    switch = dataset.published_when
    return {
        "id": dataset.id,
        "segment": dataset.segment,
        "layer": dataset.layer,
        "description": dataset.description,
        "role": _role(dataset, makers, readers),
        "path": "/".join([dataset.path, *(f"{key}={{{key}}}" for key in dataset.partitioning)]),
        "partitioning": list(dataset.partitioning),
        "produced_by": dataset.produced_by,
        "consumed_by": list(readers),
        "gate": _gate(dataset),
        "published_when": f"asked for by --rng-events {state_of(dataset.produced_by)}"
        if _is_event(dataset)
        else switch and str(switch),
        "primary_key": list(dataset.primary_key),
        "sort_order": list(dataset.sort_order),
        "foreign_keys": [
            {"columns": list(key.columns), "dataset": key.dataset, "to": list(key.to)}
            for key in dataset.foreign_keys
        ],
        "referred_to_by": joined,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "unit": column.unit,
                "minimum": column.minimum,
                "maximum": column.maximum,
                "vocabulary": column.vocabulary,
                "role": column.role,
                "description": column.description,
            }
            for column in dataset.table.columns
        ],
    }


def _gate(dataset: Dataset) -> str | None:
    if dataset.produced_by == SHELL:
        return f"gates/*/{FLAG_NAME}" if dataset.segment == EVENTS else None
    return f"gates/{dataset.produced_by.split('.')[0]}/{FLAG_NAME}"


def _is_event(dataset: Dataset) -> bool:
    return dataset.segment == EVENTS and dataset.produced_by != SHELL


def _role(dataset: Dataset, makers: Iterable[str], readers: Sequence[str]) -> str:
    """An audit reads without making anything, so being read by one makes nothing internal."""
    if dataset.segment == EVENTS:
        return "log" if dataset.produced_by == SHELL else "events"
    if dataset.produced_by == SHELL:
        return "report"
    segments = {state.split(".")[0] for state in readers if state in makers}
    if not segments:
        return "final"
    return "internal" if segments == {dataset.segment} else "shared"

"""Lint rules of numbered sets: each is counted once, and its numbers can be turned round and back."""

from __future__ import annotations

from collections.abc import Iterator

from sim.ground.contract_types import PUBLISHED, Column, Contracts, Dataset
from sim.ground.errors import ContractError
from sim.shell.contracts.lint_tables import Places, problem

ROWS = "rows"
"""In `blind`: how many rows share the id."""


def number_problems(contracts: Contracts, places: Places) -> Iterator[ContractError]:
    """Problems of `set` of columns, and of `numbers` and `blind` of datasets."""
    homes: dict[str, str] = {}
    for dataset in contracts.datasets.values():
        for number, rule in enumerate(dataset.numbers):
            where = places.of("datasets", dataset.id, "numbers", number)
            if homes.setdefault(rule.set, dataset.id) != dataset.id:
                yield problem(f"The set {rule.set} is numbered twice.", dataset.id, homes[rule.set], where)
            column = _find(dataset, rule.column)
            if column is None or column.set != rule.set or column.nullable:
                text = f"an id of set {rule.set}, never absent"
                yield problem(f"{dataset.id} cannot number {rule.set}.", rule.column, text, where)
            by = None if rule.by is None else _find(dataset, rule.by)
            if rule.by is not None and (by is None or by.nullable or not (by.vocabulary or by.set)):
                text = "a category or a number of a set, never absent"
                yield problem(f"{dataset.id} has no such blocks of {rule.set}.", rule.by, text, where)
        yield from _blind(dataset, places)
    for dataset in contracts.datasets.values():
        where = places.of("datasets", dataset.id)
        sets = [column for column in dataset.table.columns if column.set is not None]
        for column in sets:
            if column.set not in homes:
                yield problem(
                    f"No dataset numbers the set {column.set}.", "none", "`numbers` of one", column.where
                )
        named = [name in {column.name for column in sets} for name in dataset.sort_order]
        if named != sorted(named, reverse=True):
            # rows are sorted anew by these columns alone: what comes before them would lose its order
            text = "numbers of sets before all other columns"
            yield problem(
                f"{dataset.id} is sorted by a number too late.", ", ".join(dataset.sort_order), text, where
            )
        if dataset.made_in == PUBLISHED and (dataset.numbers or not any(named)):
            text = "a sort order that begins with a number of a set which another dataset numbers"
            yield problem(
                f"{dataset.id} cannot be made in published order.", ", ".join(dataset.sort_order), text, where
            )
        for key in dataset.foreign_keys:
            target = contracts.datasets.get(key.dataset)
            for here, there in zip(key.columns, key.to, strict=False):
                mine, other = _find(dataset, here), None if target is None else _find(target, there)
                if mine and other and mine.set != other.set:
                    text = f"{other.set}, as {key.dataset}.{there}"
                    yield problem(f"{dataset.id} refers across sets.", f"{here}: {mine.set}", text, where)


def _blind(dataset: Dataset, places: Places) -> Iterator[ContractError]:
    for number, rule in enumerate(dataset.blind):
        where = places.of("datasets", dataset.id, "blind", number)
        column = _find(dataset, rule.id)
        if column is None or column.set is None or column.nullable:
            yield problem(f"{dataset.id} has no such id.", rule.id, "a number of a set, never absent", where)
        for name in rule.to:
            beside = None if name == ROWS else _find(dataset, name)
            if name != ROWS and (beside is None or beside.vocabulary is None or beside.nullable):
                yield problem(f"{dataset.id} cannot be blind to it.", name, "a category, or rows", where)
            if name != ROWS and dataset.sort_order != (rule.id,):
                text = f"one row a {rule.id}, in its order"
                yield problem(f"{dataset.id} is not sorted by {rule.id}.", name, text, where)


def _find(dataset: Dataset, name: str) -> Column | None:
    return next((column for column in dataset.table.columns if column.name == name), None)

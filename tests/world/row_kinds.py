"""What `explain` shows of one row alone, over rows of every kind; and laws with which states weigh words."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import sim.world as cw
from sim.backends import get_backend
from sim.backends.protocol import Backend
from sim.segments import EXPLAINED
from sim.shell.tables.parquet import to_arrow
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.event_log import EventLog
from sim.state.frames import Array, Frame
from sim.world.draws import Draw, draws_of

FEW, MANY = 12, 64
"""Terms of a category of which every combination is a kind of row, and of which every term is; countries and
zones have more.
"""


def kinds(world: cw.World, dataset: str, frame: Frame) -> Array:
    """Rows of every kind: of every combination of small categories, flags and nulls, and of every term of
    larger categories. int64, positions.
    """
    combined: list[Array] = [np.zeros(len(frame), dtype=np.int64)]
    found: list[Array] = []
    for column in world.contracts.dataset(dataset).table.columns:
        mask = frame.present(column.name)
        terms = len(world.vocabularies[column.vocabulary]) if column.vocabulary is not None else MANY + 1
        if terms <= FEW or column.type == "bool":
            combined.append(np.where(mask, frame[column.name].astype(np.int64), -1))
        else:
            combined.append(mask.astype(np.int64))
            if terms <= MANY:
                found.append(np.unique(np.where(mask, frame[column.name], -1), return_index=True)[1])
    found.append(np.unique(np.stack(combined, axis=1), axis=0, return_index=True)[1])
    return np.unique(np.concatenate(found)).astype(np.int64)


def told_alone(
    world: cw.World, dataset: str, at: tuple[Context, Partition, EventLog], frame: Frame
) -> dict[int, list[Draw]]:
    """Draws of one row of every kind, each looked up alone, as `explain` does; remarks on it are text.

    Args:
        world: The world.
        dataset: Dataset id.
        at: A context that may look everything of the state up, the partition, and what it drew.
        frame: Rows of the dataset in the partition.
    """
    (ctx, part, log), rules, found = at, EXPLAINED.of(dataset), {}
    contract = world.contracts.dataset(dataset)
    for row in kinds(world, dataset, frame).tolist():
        alone = frame.slice(row, row + 1)
        shown: dict[str, Any] = to_arrow(alone, contract, world.vocabularies, {}).to_pylist()[0]
        found[row] = [
            draw
            for rule in rules.draws
            for draw in draws_of(world.contracts.streams[rule.stream], ctx, part, alone, shown, rule, log)
        ]
        for told in rules.told:
            assert all(note.strip() for note in told.tell(ctx, part, alone))
    return found


class Weighed:
    """The backend of a state, remembering with which law it made a weight of each word."""

    def __init__(self) -> None:
        self._calls: list[tuple[Array, Array, Array]] = []

    def backend(self) -> Backend:
        real = get_backend("cpu")
        return dataclasses.replace(real, kernels=_Listening(real.kernels, self._calls))

    def require_law(self, words: Array, idle: Array, sigma: Array) -> None:
        """Refuse a law that is not the one the state weighed these words with."""
        x, *law = (np.concatenate(column) for column in zip(*self._calls, strict=True))
        order = np.argsort(x, kind="stable")
        place = order[np.minimum(np.searchsorted(x[order], words), len(x) - 1)]
        np.testing.assert_array_equal(x[place], words)
        for said, used in zip((idle, sigma), law, strict=True):
            np.testing.assert_array_equal(said, used[place])


class _Listening:
    def __init__(self, kernels: Any, calls: list[tuple[Array, Array, Array]]) -> None:
        self._kernels, self._calls = kernels, calls

    def __getattr__(self, stem: str) -> Any:
        kernel = getattr(self._kernels, stem)
        if stem != "gated_weight":
            return kernel

        def weigh(x: Array, idle: Array, sigma: Array) -> Array:
            self._calls.append((x.copy(), idle.copy(), sigma.copy()))
            return kernel(x=x, idle=idle, sigma=sigma)

        return weigh

"""A row made again: its partition is computed from published inputs, and the row looked for in the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.backends import get_backend
from sim.ground.contract_types import Dataset
from sim.model import MODEL
from sim.shell.partition.partition import part_file
from sim.shell.partition.rng_events import program_called
from sim.shell.publish.documents import RECEIPT_NAME
from sim.shell.tables.parquet import to_arrow
from sim.state.context import Context
from sim.state.declaration import Partition, State
from sim.state.event_log import EventLog
from sim.state.params import Layer, Origin, Params
from sim.state.program import Program
from sim.world.handle import World
from sim.world.lookup import FoundRow
from sim.world.tables import equal_to


@dataclass(frozen=True)
class Regenerated:
    """What came of computing the row again.

    Attributes:
        equal: Whether the same row came out, bit for bit; None when it was not tried.
        partition: Which partition was computed.
        note: Why it was not tried.
    """

    equal: bool | None
    partition: str = ""
    note: str = ""


def program_of(state: str) -> Program | None:
    """The program of a state id, or of a state's random events."""
    return program_called(MODEL.segments, state)


def context_of(world: World, state: State) -> Context:
    """A state's context over published rows, its config as the run resolved it."""
    contracts = world.contracts
    origin = Origin((Layer((), lambda _: f"{RECEIPT_NAME} of run {world.run_id}"),))
    configs = {
        id: Params(world.receipt["parameters"][artefact.path], origin)
        for id, artefact in contracts.artefacts.items()
    }
    return Context(
        state,
        seed=world.seed,
        scenarios=world.scenarios,
        configs=configs,
        contracts=contracts,
        inputs=world.open_rows(),
        backend=get_backend("cpu"),
        externals={},
    )


@dataclass(frozen=True)
class Recomputed:
    """A row's partition computed again.

    Attributes:
        outcome: What came of it.
        part: The partition, if the row was made in one.
        log: What it drew, if it was computed.
    """

    outcome: Regenerated
    part: Partition | None = None
    log: EventLog | None = None


def regenerate(world: World, dataset: Dataset, found: FoundRow) -> Recomputed:
    """Compute the partition a row came from, and compare.

    Args:
        world: The world.
        dataset: The row's contract.
        found: The row.
    """
    program = program_of(dataset.produced_by)
    if program is None or program.compute is None:
        return Recomputed(Regenerated(None, note=f"{dataset.produced_by} computes nothing"))
    ctx = context_of(world, program.state)
    part = next(
        (
            part
            for part in program.partitions(ctx)
            if part_file(part) == found.part.name and part.scenario == found.item.scenario
        ),
        None,
    )
    given = [name for name in program.state.external if name in world.receipt["externals"]]
    if given:
        return Recomputed(
            Regenerated(None, note=f"the run was given {', '.join(given)}, which is not part of it"), part
        )
    if part is None:
        return Recomputed(Regenerated(None, note="the row was made when all partitions were done"))
    mine = ctx.for_partition(part)
    mine.events = EventLog()
    frames = program.compute(mine, part)
    if dataset.id not in frames:
        return Recomputed(Regenerated(None, part.name, "the row was made when all partitions were done"))
    numberings = world.open_rows().numberings
    frame = numberings.published(frames[dataset.id], dataset, numberings.of_frames(frames))
    table = to_arrow(frame, dataset, world.vocabularies, {})
    again = table.filter(
        equal_to(table.schema, {name: found.row[name] for name in dataset.primary_key})
    ).to_pylist()
    return Recomputed(Regenerated(again == [_columns(found.row, dataset)], part.name), part, mine.events)


def _columns(row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    return {name: row[name] for name in dataset.table.names}

"""One published row explained: what it says, which state made it of which rows, and every draw behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset
from sim.segments import EXPLAINED
from sim.state.frames import Frame
from sim.world.draws import Draw, draws_of, finding_context
from sim.world.handle import World
from sim.world.lookup import FoundRow, find_row, first_with, parse_key
from sim.world.regenerate import Recomputed, Regenerated, program_of, regenerate
from sim.world.tables import Table, equal_to, only


@dataclass(frozen=True)
class Ancestor:
    """Rows this row came from.

    Attributes:
        dataset: Their dataset.
        how: What they are to this row, and the columns that lead there.
        rows: How many there are.
        row: Column -> value of the first of them; empty where there is none.
    """

    dataset: str
    how: str
    rows: int
    row: Mapping[str, Any]


@dataclass
class Explanation:
    """Everything about one row.

    Attributes:
        contract: The dataset's contract.
        scenario: Scenario id, or None.
        row: Column -> value.
        file: Path of its file inside the run.
        state, title: Who made it.
        config: Config packs that state read.
        regenerated: Whether computing its partition again gives the same row.
        ancestors: Rows it came from.
        streams: Streams of its state: id, key, entity, c0, c1, draws, scope.
        draws: Random words behind it.
        notes: What else there is to say.
    """

    contract: Dataset
    scenario: str | None
    row: Mapping[str, Any]
    file: str
    state: str
    title: str
    config: tuple[str, ...]
    regenerated: Regenerated
    ancestors: list[Ancestor] = field(default_factory=list)
    streams: list[dict[str, str]] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain(world: World, dataset_id: str, key: Sequence[str], scenario: str | None = None) -> Explanation:
    """Explain one row.

    Args:
        world: The world.
        dataset_id: Dataset id.
        key: Values of the primary key in order, or `column=value` texts.
        scenario: Needed where several scenarios hold the key.

    Raises:
        UsageError: If there is no such dataset, or not exactly one such row.
        ContractError: If the contracts at hand are not the run's.
    """
    world.table(dataset_id, scenario)
    dataset = world.contracts.dataset(dataset_id)
    found = find_row(world, dataset, parse_key(dataset, key), scenario)
    program = program_of(dataset.produced_by)
    again = regenerate(world, dataset, found)
    result = Explanation(
        contract=dataset,
        scenario=found.item.scenario,
        row=found.row,
        file=f"{found.item.path}/{found.part.name}",
        state=dataset.produced_by,
        title=program.state.title if program else "",
        config=program.state.config if program else (),
        regenerated=again.outcome,
    )
    for key_ in dataset.foreign_keys:
        on = dict(zip(key_.to, key_.columns, strict=True))
        result.ancestors.append(_ancestor(world, found, key_.dataset, "", on))
    result.ancestors += [
        _ancestor(world, found, made.of, f"{made.how}: ", made.on)
        for made in EXPLAINED.of(dataset_id).made_of
        if made.of in world.tables
    ]
    for stream in program.state.streams if program else ():
        declared = world.contracts.streams[stream]
        row = {name: str(getattr(declared, name)) for name in ("entity", "c0", "c1", "draws", "scope")}
        result.streams.append(
            {"id": stream, "key": f"{declared.key(world.seed, found.item.scenario):016x}", **row}
        )
    _draws(world, found, dataset, again, result)
    return result


def _draws(world: World, found: FoundRow, dataset: Dataset, again: Recomputed, result: Explanation) -> None:
    """Add the row's draws, and the notes that belong to them."""
    rules, program = EXPLAINED.of(dataset.id), program_of(dataset.produced_by)
    if program is None or again.part is None:
        return
    ctx, rows = finding_context(world, program.state), _as_states_see_it(world, found, dataset)
    for rule in rules.draws:
        stream = world.contracts.streams[rule.stream]
        result.draws += draws_of(stream, ctx, again.part, rows, found.row, rule, again.log)
    for told in rules.told:
        result.notes += told.tell(ctx, again.part, rows)
    if rules.draws and again.log is None:
        result.notes.append(
            "draws are those that published rows speak of: what the state drew was not computed again"
        )


def _as_states_see_it(world: World, found: FoundRow, dataset: Dataset) -> Frame:
    """The row as a frame: categories as codes, instants as microseconds, ids as natural numbers."""
    place = Table(world, [only(found.item, found.part)]).to_arrow(columns=list(dataset.primary_key))
    mask = equal_to(place.schema, {name: found.row[name] for name in dataset.primary_key})
    table = place.append_column("row", [np.arange(len(place))]).filter(mask)
    row = int(table["row"][0].as_py())
    part = found.item.files.index(found.part)
    store = world.open_rows()
    rows = store.load_published(dataset.id, found.item.scenario, part=part, rows=(row, row + 1))
    return store.numberings.natural(rows, dataset)


def _ancestor(world: World, found: FoundRow, of: str, how: str, on: Mapping[str, str]) -> Ancestor:
    """Rows of a dataset whose columns (keys of `on`) hold what the row's columns (its values) hold."""
    how += ", ".join(f"{column} -> {to}" for to, column in on.items())
    values = {to: found.row[column] for to, column in on.items()}
    if any(value is None for value in values.values()):
        return Ancestor(of, how, 0, {})
    scenario = found.item.scenario if found.item.scenario in world[of].scenarios else None
    count, first = first_with(world, world.contracts.dataset(of), values, scenario)
    return Ancestor(of, how, count, first)

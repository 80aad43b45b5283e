"""One published row explained: what it says, which state made it from which rows,
and every random word behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset, ForeignKey
from sim.rng import block, stream_key
from sim.world import account_draws
from sim.world.addresses import ADDRESSES, Draw, draws_at
from sim.world.arrival_draws import arrival_draws
from sim.world.handle import World
from sim.world.lookup import FoundRow, find_row, parse_key, rows_with
from sim.world.regenerate import Regenerated, context_of, program_of, regenerate

_FIRST_BLOCK = 2
_IDS = "1A.merchant_id"


@dataclass(frozen=True)
class Ancestor:
    """A row this row came from.

    Attributes:
        how: The columns that lead there.
        row: Column -> value, empty when nothing was found.
    """

    dataset: str
    how: str
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
    result = Explanation(
        contract=dataset,
        scenario=found.item.scenario,
        row=found.row,
        file=f"{found.item.path}/{found.part.name}",
        state=dataset.produced_by,
        title=program.state.title if program else "",
        config=program.state.config if program else (),
        regenerated=regenerate(world, dataset, found),
    )
    result.ancestors = [_ancestor(world, found, key) for key in dataset.foreign_keys]
    for stream in program.state.streams if program else ():
        declared = world.contracts.streams[stream]
        row = {name: str(getattr(declared, name)) for name in ("entity", "c0", "c1", "draws", "scope")}
        result.streams.append(
            {"id": stream, "key": f"{_key(world, stream, found.item.scenario):016x}", **row}
        )
    _draws(world, found, dataset, result)
    return result


def _draws(world: World, found: FoundRow, dataset: Dataset, result: Explanation) -> None:
    generated = True
    if dataset.id == "merchant_catalogue_1A":
        rank = generated_rank(world, found.row["merchant_id"])
        generated = rank is not None
        if rank is not None:
            result.draws += draws_at(
                _IDS,
                stream_key(world.seed, _IDS),
                rank,
                0,
                1,
                "merchant_id: the word itself, at its rank in the universe",
            )
        else:
            result.notes.append("the merchant was given by the user: only its brand is drawn")
    for address in ADDRESSES.get(dataset.id, ()):
        if not address.when(found.row) or (not generated and address.stream != "1A.merchant_brand"):
            continue
        key = _key(world, address.stream, found.item.scenario)
        count = _FIRST_BLOCK if address.draws is None else address.draws
        decides = (
            address.decides
            if address.draws is not None
            else f"{address.decides}; first block, more as needed"
        )
        result.draws += draws_at(
            address.stream, key, address.c0(found.row), address.c1(found.row), count, decides
        )
    program = program_of(dataset.produced_by)
    if dataset.id == "arrival_events_5B" and program is not None:
        draws, ancestors, notes = arrival_draws(world, context_of(world, program), found)
        result.draws += draws
        result.ancestors += [Ancestor(name, how, row) for name, how, row in ancestors]
        result.notes += notes
    if dataset.id in account_draws.DATASETS and program is not None:
        draws, notes = account_draws.account_draws(world, context_of(world, program), dataset.id, found.row)
        result.draws += draws
        result.notes += notes


def generated_rank(world: World, merchant_id: int) -> int | None:
    """Rank of a merchant in the generated universe; None for one the user gave."""
    universe = world.contracts.artefact("merchant_universe_1A")
    ranks = np.arange(int(world.receipt["parameters"][universe.path]["merchants"]), dtype=np.uint64)
    words, _ = block(stream_key(world.seed, _IDS), ranks, np.zeros_like(ranks))
    hits = np.flatnonzero(words == np.uint64(merchant_id))
    return int(hits[0]) if len(hits) else None


def _ancestor(world: World, found: FoundRow, key: ForeignKey) -> Ancestor:
    how = ", ".join(f"{column} -> {to}" for column, to in zip(key.columns, key.to, strict=True))
    values = {to: found.row[column] for column, to in zip(key.columns, key.to, strict=True)}
    if any(value is None for value in values.values()):
        return Ancestor(key.dataset, how, {})
    target = world.contracts.dataset(key.dataset)
    scenario = found.item.scenario if found.item.scenario in world[key.dataset].scenarios else None
    rows = rows_with(world, target, values, scenario, limit=2)
    if len(rows) > 1:
        return Ancestor(key.dataset, f"{how} (one of several rows)", {})
    return Ancestor(key.dataset, how, rows[0].row if rows else {})


def _key(world: World, stream: str, scenario: str | None) -> int:
    return int(world.contracts.streams[stream].key(world.seed, scenario))

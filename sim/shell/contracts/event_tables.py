"""Datasets of random events, and the checks of their gates: they follow from contracts/rng/streams.yaml.

A stream names the state that draws from it. Its events lie in the layer of that state's datasets and are cut
as they are; their gate demands that they add up to the ledger of the state's segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sim.ground.contract_types import Dataset, TableContract
from sim.ground.errors import ContractError
from sim.ground.names import CONTRACT_PATH, DATASET, is_name
from sim.ground.read_once import MAX_BYTES, read_once
from sim.shell.contracts.defaults import EVENTS, dataset_path

if TYPE_CHECKING:
    from sim.rng import Stream

EVENT_GATE = "RNG_"
"""Begins the code of a gate that holds random events, `RNG_5B_S3` for those of state 5B.S3."""
EVENT_TABLE = "rng_event_"
"""Begins the ids of their datasets."""
EVENT_KEY = ("part", "counter_before_hi", "counter_before_lo")
"""Primary key of random events: a partition and the counter it drew at first."""
STREAMS = "rng/streams.yaml"
"""The streams, below contracts/."""
KNOWN_STREAMS = "streams of the ledger"
"""Check of a gate of events: the ledger of the state has no row of a stream that is not its own."""

_LISTED = re.compile(r"^  - \{id: ([1-9][A-Z]\.[a-z0-9_.]+), state: ([1-9][A-Z]\.S[0-9]+),", re.MULTILINE)
_TABLES = "closedworld:rng/schemas#/tables/"
_ROWS = {
    "entity": ("rng_event", "an entity"),
    "cell": ("rng_event_sum", "a cell, which is a high counter word"),
    "partition": ("rng_event_sum", "a partition"),
}
"""`events` of a stream -> table of its events, and what a row of it stands for."""


def event_code(state: str) -> str:
    """Code of the gate that holds the events of a state."""
    return EVENT_GATE + state.replace(".", "_")


def event_producer(state: str) -> str:
    """Id of the state that publishes the events of a state."""
    return f"{event_code(state)}.S1"


def event_dataset(stream: str) -> str:
    """The dataset that holds a stream's events."""
    return EVENT_TABLE + stream.replace(".", "_")


def ledger_check(stream: str) -> str:
    """Check of a gate of events: those of a stream add up to the ledger of its state."""
    return f"ledger {stream}"


def listed_streams(root: Path) -> list[tuple[str, str]]:
    """(Stream, the state that draws from it) of every stream of a contracts folder.

    Found in the text, where an entry begins with both: who opens a run, or completes a word, has no time for
    YAML. A test holds it against the compiled streams.

    Raises:
        ContractError: If the file is no plain one of at most `MAX_BYTES` bytes of text.
    """
    file = read_once(root / STREAMS, MAX_BYTES)
    try:
        return _LISTED.findall(file.data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ContractError(
            "SHELL.FILE_UNREADABLE", "the streams cannot be read", str(error), "UTF-8", str(file.path)
        ) from None


def event_checks(streams: Iterable[Stream]) -> dict[str, tuple[str, ...]]:
    """Names of the checks that gates of events demand, by the state that publishes them."""
    drawn: dict[str, list[str]] = {}
    for stream in streams:
        if stream.state:
            drawn.setdefault(event_producer(stream.state), []).append(ledger_check(stream.id))
    return {state: (*drawn[state], KNOWN_STREAMS) for state in sorted(drawn)}


def event_contract(
    stream: Stream, datasets: Iterable[Dataset], tables: Mapping[str, TableContract], where: str
) -> Dataset:
    """The contract of the dataset that holds a stream's events.

    Args:
        stream: A stream that names its state.
        datasets: Those of the dictionaries.
        tables: Tables by reference.
        where: `file:line:col` of the stream.

    Raises:
        ContractError: `SHELL.CONTRACT_INVALID`: the state makes no dataset, or there is no such table.
    """
    made = next((dataset for dataset in datasets if dataset.produced_by == stream.state), None)
    if made is None:
        what = f"Stream {stream.id} is drawn from by a state that makes no dataset."
        raise ContractError("SHELL.CONTRACT_INVALID", what, stream.state, "produced_by of a dataset", where)
    name, row = _ROWS[stream.events]
    ref = _TABLES + (stream.event_table or name)
    if ref not in tables:
        what = f"There is no table for events of {stream.id}."
        raise ContractError(
            "SHELL.CONTRACT_INVALID", what, ref, "a table of contracts/rng/schemas.yaml", where
        )
    id, producer = event_dataset(stream.id), event_producer(stream.state)
    path = dataset_path(id, EVENTS, made.layer, producer)
    # These become SQL identifiers and paths, whatever meta-schemas a contracts folder brings with it.
    for kind, name in ((DATASET, id), (CONTRACT_PATH, path)):
        if not is_name(kind, name):
            what = "A stream and its state make a name that none may have."
            raise ContractError("SHELL.CONTRACT_INVALID", what, repr(name)[:200], kind.pattern, where)
    return Dataset(
        id=id,
        segment=EVENTS,
        layer=made.layer,
        description=f"Draws of {stream.id}, one row {stream.event_row or row}.",
        path=path,
        partitioning=made.partitioning,
        table=tables[ref],
        primary_key=EVENT_KEY,
        sort_order=EVENT_KEY,
        produced_by=producer,
        where=where,
    )

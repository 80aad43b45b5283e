"""Datasets of random events follow from the streams: what each is, what its gate demands, what is refused."""

from __future__ import annotations

import pytest
from contracts_folder import STATES, Folder

from sim.ground.contract_types import PARTITION_KEYS
from sim.ground.errors import ContractError
from sim.ground.paths import contracts_root
from sim.model import MODEL
from sim.shell.contracts.config import config_folder
from sim.shell.contracts.event_tables import (
    EVENT_KEY,
    KNOWN_STREAMS,
    event_dataset,
    event_producer,
    listed_streams,
)
from sim.shell.contracts.lint import lint
from sim.shell.contracts.load import load_contracts

STREAMS = "contracts/rng/streams.yaml"
WORLD, SCENARIO = PARTITION_KEYS[:2], PARTITION_KEYS


@pytest.mark.parametrize(
    ("stream", "producer", "layer", "partitioning", "table", "row"),
    [
        ("1A.merchant_id", "RNG_1A_S1", 1, WORLD, "rng_event", "an entity"),
        ("5A.virtual_scale", "RNG_5A_S1", 2, WORLD, "rng_event", "an entity"),
        ("5A.outage", "RNG_5A_S4", 2, SCENARIO, "rng_event", "an entity"),
        ("5B.latent_field", "RNG_5B_S2", 2, SCENARIO, "rng_event_group", "a group"),
        ("5B.metro_day", "RNG_5B_S2", 2, SCENARIO, "rng_event", "an entity"),
        (
            "5B.country_class_day",
            "RNG_5B_S2",
            2,
            SCENARIO,
            "rng_event_pair",
            "a local day of a country and class",
        ),
        ("5B.bucket_count", "RNG_5B_S3", 2, SCENARIO, "rng_event_key", "an entity"),
        ("6A.card", "RNG_6A_S3", 3, WORLD, "rng_event_sum", "a cell, which is a high counter word"),
        ("6A.hosting", "RNG_6A_S5", 3, WORLD, "rng_event_sum", "a partition"),
    ],
)
def test_what_follows_from_a_stream(
    stream: str, producer: str, layer: int, partitioning: tuple[str, ...], table: str, row: str
) -> None:
    contracts = load_contracts(contracts_root())
    id = "rng_event_" + stream.replace(".", "_")
    dataset = contracts.dataset(id)
    assert (dataset.segment, dataset.layer, dataset.produced_by) == ("RNG", layer, f"{producer}.S1")
    assert dataset.path == f"data/layer{layer}/{producer}/{id}"
    assert (dataset.partitioning, dataset.table.id.rpartition("/")[2]) == (partitioning, table)
    assert dataset.primary_key == dataset.sort_order == EVENT_KEY and dataset.required
    assert dataset.description == f"Draws of {stream}, one row {row}."
    assert dataset.where.startswith("contracts/rng/streams.yaml:")


def test_every_state_that_draws_and_no_other() -> None:
    """The streams of each state, its scenarios and its layer, held against the model's own declarations."""
    contracts = load_contracts(contracts_root())
    found = {name: item for name, item in contracts.datasets.items() if name.startswith("rng_event_")}
    for segment in MODEL.segments:
        for state in (program.state for program in segment.programs):
            made = [found.pop(event_dataset(stream)) for stream in state.streams]
            assert {item.produced_by for item in made} <= {event_producer(state.id)}
            assert {item.layer for item in made} <= {segment.layer}
            assert {item.partitioning for item in made} <= {SCENARIO if state.per_scenario else WORLD}
            demanded = {f"ledger {stream}" for stream in state.streams} | {KNOWN_STREAMS}
            checks = contracts.checks.get(event_producer(state.id), ())
            assert set(checks) == (demanded if state.streams else set())
    assert not found


def test_the_text_lists_every_stream_and_its_state() -> None:
    """What readers of runs find without YAML is what the loader compiles, which lint holds to the model."""
    streams = load_contracts(contracts_root()).streams
    assert listed_streams(contracts_root()) == [(name, each.state) for name, each in streams.items()]


def test_a_wrong_state_is_named_by_lint(folder: Folder) -> None:
    def rows() -> list[str]:
        return lint(load_contracts(folder.contracts), config_folder(folder.config), STATES).rows()

    assert rows() == []
    folder.replace(STREAMS, "state: 1A.S2", "state: 1A.S1")
    (row,) = rows()
    assert row.startswith(f"{STREAMS}:6:") and "must name the one state that draws from it" in row
    assert "state: 1A.S1" in row and "1A.S2" in row
    folder.replace(STREAMS, "state: 1A.S1, ", "")
    assert any("found no state; expected 1A.S2" in row for row in rows())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("state: 1A.S2", "state: 1A.S7", "drawn from by a state that makes no dataset"),
        ("scope: world", "scope: world, events: cell", "There is no table for events of 1A.till"),
        ("scope: world", "scope: world, event_table: rng_event_x", "There is no table for events of 1A.till"),
        ("state: 1A.S2", "state: one", r"A value does not fit at \$.streams\[0\].state"),
    ],
)
def test_what_no_dataset_follows_from_is_refused(folder: Folder, old: str, new: str, words: str) -> None:
    folder.replace(STREAMS, old, new)
    with pytest.raises(ContractError, match=words) as caught:
        load_contracts(folder.contracts)
    assert caught.value.where.startswith(f"{STREAMS}:6:")


def test_events_are_written_down_nowhere_else(folder: Folder) -> None:
    """Neither their dataset nor their checks may be declared by hand as well."""
    folder.replace(
        "contracts/layer1/1A/dictionary.yaml",
        "datasets:\n",
        "datasets:\n  - {id: rng_event_1A_till, description: x, primary_key: [shop_id], produced_by: 1A.S1, "
        'schema: "closedworld:layer1/1A/schemas#/tables/shop"}\n',
    )
    with pytest.raises(ContractError, match="rng_event_1A_till, first at contracts/layer1/1A/dictionary"):
        load_contracts(folder.contracts)

"""Events of the tiny world, of every stream there is: they follow from addresses, add up to the ledger,
and leave the world alone.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tiny_world import TINY, TINY_SCENARIOS

import sim.world as cw
from sim.backends import get_backend
from sim.model import MODEL
from sim.rng import block
from sim.segments import SEGMENTS
from sim.shell.contracts.event_tables import event_code, event_dataset
from sim.shell.contracts.load import load_contracts
from sim.shell.events.progress import Silent
from sim.shell.loop.outcome import RunResult
from sim.shell.loop.run import Options, run_world
from sim.shell.partition.rng_events import drawing, gate_codes
from sim.shell.request.request import Request, prepare
from sim.shell.runs.verify import content_check_of, verify_run
from sim.world.compare import compare
from sim.world.gates import drawing_states, gates

STATES = tuple(drawing(SEGMENTS))
FIGURES = ("entities", "draws", "blocks")


def with_events(run: Path, states: tuple[str, ...]) -> RunResult:
    prepared = prepare(Request(preset="demo", scenarios=TINY_SCENARIOS, overrides=TINY), MODEL)
    return run_world(
        prepared, get_backend("cpu"), Options(out=run.parent, workers=2, rng_events=states), Silent()
    )


@pytest.fixture(scope="module")
def eventful(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny world, its files shared, with the events of every state."""
    target = tmp_path_factory.mktemp("events") / demo_run.name
    shutil.copytree(
        demo_run, target, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns(".lock")
    )
    result = with_events(target, STATES)
    assert {row.status for row in result.rows if not row.segment.startswith("RNG_")} == {"PROVEN"}
    assert {row.state for row in result.rows if row.status == "PASS"} == {
        f"{event_code(state)}.{step}" for state in STATES for step in ("S0", "S1", "BUNDLE")
    }
    return target


def test_the_world_is_the_same_with_and_without(demo_run: Path, eventful: Path) -> None:
    """Run id, every file, flag and digest; events are beside it, behind gates of their own."""
    for part in ("data", "gates"):
        for path in sorted((demo_run / part).rglob("*")):
            other = eventful / path.relative_to(demo_run)
            assert path.is_dir() or path.read_bytes() == other.read_bytes(), path
    more = {path.name for path in (eventful / "gates").iterdir()} - {
        path.name for path in (demo_run / "gates").iterdir()
    }
    assert more == {event_code(state) for state in STATES}
    assert compare(cw.open(demo_run), cw.open(eventful)).same
    assert not verify_run(
        eventful, gate_codes(SEGMENTS), content_check_of(eventful, gate_codes(SEGMENTS))
    ).problems


def test_sums_over_all_events_are_the_ledger(eventful: Path) -> None:
    world = cw.open(eventful)
    ledger = world.ledger().to_pylist()
    assert {row["stream"] for row in ledger} <= {
        stream for program in drawing(SEGMENTS).values() for stream in program.state.streams
    }
    assert not any(row["state"].startswith("RNG") for row in ledger)
    for program in drawing(SEGMENTS).values():
        for stream in program.state.streams:
            table = world[event_dataset(stream)]
            for scenario in table.scenarios or (None,):
                rows = world.table(table.id, scenario).to_arrow(list(FIGURES))
                sealed = [row for row in ledger if (row["stream"], row["scenario"]) == (stream, scenario)]
                assert len(sealed) <= 1
                for figure in FIGURES:
                    found = int(np.sum(rows[figure].to_numpy(), dtype=np.uint64))
                    assert found == (sealed[0][figure] if sealed else 0), (stream, scenario, figure)


def column(rows: pa.Table, name: str) -> Any:
    return rows[name].to_numpy()


def test_counters_after_are_counters_before_and_the_blocks(eventful: Path) -> None:
    """One entity's, or one cell's, counters share the high word;
    128-bit differences of single events are their blocks.
    """
    world, streams, events = cw.open(eventful), load_contracts(cw.open(eventful)._roots[0]).streams, 0
    for stream, declared in streams.items():
        rows = world[event_dataset(stream)].to_arrow()
        before = [
            (int(high) << 64) + int(low)
            for high, low in zip(
                column(rows, "counter_before_hi"), column(rows, "counter_before_lo"), strict=True
            )
        ]
        after = [
            (int(high) << 64) + int(low)
            for high, low in zip(
                column(rows, "counter_after_hi"), column(rows, "counter_after_lo"), strict=True
            )
        ]
        blocks = column(rows, "blocks").tolist()
        unit = declared.events
        named = "scenario_id" in rows.schema.names
        scenarios = rows["scenario_id"].to_pylist() if named else [None] * len(rows)
        if unit == "entity":
            assert [b - a for a, b in zip(before, after, strict=True)] == blocks, stream
            keys = list(zip(column(rows, "part").tolist(), before, scenarios, strict=True))
            assert len(set(keys)) == len(keys)
        else:
            assert all(a < b for a, b in zip(before, after, strict=True)), stream
        if unit == "cell":
            assert column(rows, "counter_before_hi").tolist() == column(rows, "counter_after_hi").tolist()
        if unit == "partition":
            parts = zip(column(rows, "part").tolist(), scenarios, strict=True)
            assert len(rows) == len(set(parts)), stream
        events += len(rows)
    assert events > 10_000


def test_events_name_the_rows_they_made(eventful: Path) -> None:
    """5B: every count row's arrivals are one event of two streams, and of a third where its key has tills, at
    the bucket's address;
    every key with demand drew its count.
    """
    world = cw.open(eventful)
    names = ["merchant_id", "legal_country_iso", "tzid", "channel_group", "bucket_index"]
    for scenario in world.scenarios:
        counts = world.table("s3_bucket_counts_5B", scenario).to_arrow([*names, "count_n"])
        made = {tuple(row[name] for name in names): row["count_n"] for row in counts.to_pylist()}
        tills = {row["merchant_id"] for row in world["s4_site_terminals_2B"].to_arrow().to_pylist()}
        sold = {
            tuple(row[name] for name in names[:4])
            for row in world.table("merchant_zone_profile_5A").to_arrow().to_pylist()
            if row["merchant_id"] in tills and row["virtual_share"] < 1.0
        }
        events = world.table(event_dataset("5B.arrival_terminal"), scenario).to_arrow().to_pylist()
        at_tills = {key: many for key, many in made.items() if key[:4] in sold}
        assert {tuple(row[name] for name in names): row["entities"] for row in events} == at_tills
        assert all(row["draws"] == row["entities"] for row in events)
        for stream in ("5B.arrival_place", "5B.arrival_route"):
            events = world.table(event_dataset(stream), scenario).to_arrow().to_pylist()
            assert {tuple(row[name] for name in names): row["entities"] for row in events} == made
            assert all(
                row["counter_before_lo"] == row["bucket_index"] << 32 and row["draws"] == 2 * row["entities"]
                for row in events
            )
        drawn = world.table("rng_event_5B_bucket_count", scenario).to_arrow().to_pylist()
        assert all(row["counter_before_lo"] == row["bucket_index"] << 16 for row in drawn)
        intensity = (
            world.table("s2_realised_intensity_5B", scenario)
            .to_arrow([*names, "lambda_realised"])
            .to_pylist()
        )
        wanted = {tuple(row[name] for name in names) for row in intensity if row["lambda_realised"] > 0.0}
        assert {tuple(row[name] for name in names) for row in drawn} == wanted
        groups = world.table("s1_grouping_5B", scenario).to_arrow(["group_id"])["group_id"].to_pylist()
        assert sorted(
            world.table("rng_event_5B_latent_field", scenario).to_arrow()["group_id"].to_pylist()
        ) == sorted(set(groups))


def test_an_event_is_enough_to_draw_again(eventful: Path) -> None:
    """The merchants' ids are the upper 63 bits of the words at the counters of their events, under the key
    the ledger states.
    """
    world = cw.open(eventful)
    key = next(int(row["key"], 16) for row in world.ledger().to_pylist() if row["stream"] == "1A.merchant_id")
    rows = world["rng_event_1A_merchant_id"].to_arrow()
    words, _ = block(key, column(rows, "counter_before_lo").copy(), column(rows, "counter_before_hi").copy())
    assert sorted((words >> 1).tolist()) == sorted(
        world["merchant_catalogue_1A"].to_arrow(["merchant_id"])["merchant_id"].to_pylist()
    )


def test_every_stream_has_its_event_table_and_no_other_has() -> None:
    contracts = load_contracts(Path(cw.__file__).parents[2] / "contracts")
    declared = {
        stream: state for state, program in drawing(SEGMENTS).items() for stream in program.state.streams
    }
    assert set(declared) == set(contracts.streams)
    # A reader knows the states from the streams, by their numbers; the run takes a few in another order.
    assert sorted(STATES) == sorted(drawing_states()) and sorted(gate_codes(SEGMENTS)) == sorted(gates())
    assert len(set(gates())) == len(gates())
    assert {name for name in contracts.datasets if name.startswith("rng_event_")} == {
        event_dataset(stream) for stream in declared
    }
    for stream, state in declared.items():
        dataset = contracts.dataset(event_dataset(stream))
        assert (
            dataset.produced_by == f"{event_code(state)}.S1" and stream.split(".")[0] == state.split(".")[0]
        )
        assert ("scenario_id" in dataset.partitioning) == drawing(SEGMENTS)[state].state.per_scenario
        assert (
            contracts.checks[dataset.produced_by]
            and f"ledger {stream}" in contracts.checks[dataset.produced_by]
        )


def test_the_command_takes_states_and_segments(cli: Any, demo_run: Path, tmp_path: Path) -> None:
    target = tmp_path / demo_run.name
    shutil.copytree(
        demo_run, target, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns(".lock")
    )
    args = [
        "--preset",
        "demo",
        *(part for key, value in TINY.items() for part in ("--set", f"{key}={value}")),
    ]
    args += [part for scenario in TINY_SCENARIOS for part in ("--scenario", scenario)]
    done = cli("run", *args, "--out", tmp_path, "--rng-events", "5B.S3,3B", "--json")
    assert done.code == 0
    gates = set(json.loads(done.out)["segments"]) - {segment.code for segment in SEGMENTS}
    assert gates == {"RNG_5B_S3", "RNG_3B_S1", "RNG_3B_S2", "RNG_3B_S3"}
    assert cli("verify", target, "--deep").code == 0
    answer = cli("sql", target, "select sum(draws) from rng_event_5B_bucket_count", "--csv")
    assert answer.out.splitlines()[1].strip('"') == str(
        sum(row["draws"] for row in cw.open(target).ledger().to_pylist() if row["state"] == "5B.S3")
    )
    for asked in ("2A", "5B.S1", "5B.S9", "", "RNG_5B_S3"):
        refused = cli("run", *args, "--out", tmp_path, "--rng-events", asked, "--json")
        assert refused.code == 2 and "SHELL.NO_SUCH_EVENTS" in refused.out
    assert (
        "SHELL.NO_SUCH_EVENTS"
        in cli("run", *args, "--out", tmp_path, "--until", "5A", "--rng-events", "5B.S3", "--json").out
    )

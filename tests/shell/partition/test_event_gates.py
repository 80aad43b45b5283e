"""Gates of random events on the mini world: wrong ledgers, kills, tampering, workers, stores."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import miniworld
import numpy as np
import pytest

import sim.world as cw
from sim.ground.errors import GateError, UsageError, ValidationError
from sim.ground.identity import pretty_json, sha256_bytes
from sim.segments import SEGMENTS
from sim.shell.loop.outcome import RunResult
from sim.shell.partition import rng_events
from sim.shell.publish.bundle import encode_flag, encode_index
from sim.shell.publish.gate import open_bundle
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.segment_order import held_by
from sim.shell.runs.verify import verify_run
from sim.shell.workers import worker as remote
from sim.state.context import PartitionContext
from sim.state.event_log import CELL, PARTITION, EventLog

CODES = ("1A", "1B", "RNG_1A_S1")
ASKED = {"rng_events": ("1A.S1",)}


@pytest.fixture
def eventful(root: Path) -> Path:
    """The mini world: the table and the checks of its stream's events follow from the stream."""
    return root


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def published(run: Path) -> dict[str, bytes]:
    files = [path for part in ("data", "gates") for path in sorted((run / part).rglob("*")) if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def test_only_events_are_built_when_the_world_is_there(eventful: Path) -> None:
    plain = published(miniworld.build(eventful).run_dir)
    result = miniworld.build(eventful, **ASKED)
    told = [(row.state, row.status) for row in result.rows]
    assert told == [
        ("1A.BUNDLE", "PROVEN"),
        ("1B.BUNDLE", "PROVEN"),
        *((f"RNG_1A_S1.{step}", "PASS") for step in ("S0", "S1", "BUNDLE")),
    ]
    found = published(result.run_dir)
    assert {name: data for name, data in found.items() if "RNG_1A_S1" not in name} == plain
    at_once = published(miniworld.build(eventful, out=eventful / "other", **ASKED).run_dir)
    assert at_once == found
    assert not verify_run(result.run_dir, CODES).problems and not verify_run(result.run_dir, CODES).not_built
    again = miniworld.build(eventful, **ASKED)
    assert [row.status for row in again.rows] == ["PROVEN"] * 3 and published(again.run_dir) == found


def test_a_gate_of_events_holds_the_segments_up_to_its_state(eventful: Path) -> None:
    """Whatever else was built before: the same request gives the same bytes."""
    until = published(miniworld.build(eventful, until="1A", **ASKED).run_dir)
    assert open_bundle(miniworld.build(eventful, **ASKED).run_dir, "RNG_1A_S1").document[
        "parents"
    ].keys() == {"1A"}
    whole = published(miniworld.build(eventful, **ASKED).run_dir)
    assert {name: whole[name] for name in until} == until
    assert held_by("RNG_1A_S1", CODES[:2]) == ["1A"] and held_by("1B", ("1A", "RNG_1A_S1")) == ["1A"]


def plant(run: Path, **figures: Any) -> None:
    """Forge the ledger of 1A: manifest, index and flag agree."""
    path, folder = run / "gates/1A/states/1A.S1.json", run / "gates/1A"
    document, index = json.loads(path.read_bytes()), json.loads((folder / "index.json").read_bytes())
    document["ledger"][0].update(figures)
    manifest = StateManifest.decode(pretty_json(document), str(path))
    documents = {**index["documents"], "states/1A.S1.json": sha256_bytes(manifest.encode())}
    data = encode_index("1A", index["identity"], index["parents"], documents, [manifest])
    for target, content in (
        (path, manifest.encode()),
        (folder / "index.json", data),
        (folder / "_passed.flag", encode_flag("1A", data)),
    ):
        rewrite(target, content)


@pytest.mark.parametrize(
    "figures",
    [{"draws": 101}, {"entities": 99}, {"blocks": 0}, {"key": "0" * 16}, {"stream": "1A.other"}],
    ids=["draws", "entities", "blocks", "key", "stream"],
)
def test_a_wrong_ledger_is_caught(eventful: Path, figures: dict[str, Any]) -> None:
    run = miniworld.build(eventful, until="1A").run_dir
    plant(run, **figures)
    assert not verify_run(run, CODES).problems  # coherent: nothing but the draws themselves says otherwise
    with pytest.raises(ValidationError) as error:
        miniworld.build(eventful, until="1A", **ASKED)
    assert error.value.code == "RNG_1A_S1.S1.CHECKS_FAILED" and any(
        "ledger" in line for line in error.value.examples
    )
    assert not (run / "gates/RNG_1A_S1/_passed.flag").exists()


def test_a_state_that_tells_other_addresses_is_caught(eventful: Path) -> None:
    """The ledger of one computation against the events of another."""

    def twice(ctx: PartitionContext, part: Any) -> Any:
        if ctx.events is not None:
            ids = np.zeros(1, dtype=np.uint64)
            ctx.ledger(ctx.address("1A.word", item_id=ids))
        return miniworld.compute_items(ctx, part)

    with pytest.raises(ValidationError, match="CHECKS_FAILED"):
        miniworld.build(eventful, programs=miniworld.segments(compute_items=twice), **ASKED)


def test_a_kill_between_partitions_resumes(eventful: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    made = rng_events._events

    def dies(program: Any, ctx: Any, part: Any) -> Any:
        if len(begun) == 2:
            raise KeyboardInterrupt
        begun.append(part.name)
        return made(program, ctx, part)

    monkeypatch.setattr(rng_events, "_events", dies)
    with pytest.raises(KeyboardInterrupt):
        miniworld.build(eventful, **ASKED)
    monkeypatch.setattr(rng_events, "_events", made)
    run = next((eventful / "runs").iterdir())
    assert cw.open(run).tables == ("items", "doubles")  # the world is whole, the events are not there
    assert verify_run(run, CODES).problems
    result = miniworld.build(eventful, **ASKED)
    assert [row.partitions_resumed for row in result.rows if row.state == "RNG_1A_S1.S1"] == [2]
    assert published(result.run_dir) == published(
        miniworld.build(eventful, out=eventful / "other", **ASKED).run_dir
    )


def test_tampering_is_refused_by_name(eventful: Path) -> None:
    run = miniworld.build(eventful, **ASKED).run_dir
    for path in sorted(path for path in run.rglob("*RNG_1A_S1*/**/*") if path.is_file()):
        data = path.read_bytes()
        rewrite(path, data[:-1] + bytes([data[-1] ^ 1]))
        problems = verify_run(run, CODES, lambda item: []).problems
        assert problems and any(path.name in line for line in problems), path
        rewrite(path, data)
    assert not verify_run(run, CODES).problems
    plant(run, draws=101)
    assert [
        line
        for line in verify_run(run, CODES).problems
        if line.endswith("but RNG_1A_S1 was built on " + str(parents(run)))
    ]
    with pytest.raises(GateError):
        cw.open(run)


def parents(run: Path) -> str:
    return str(open_bundle(run, "RNG_1A_S1").document["parents"]["1A"])


def test_workers_make_the_same_events(eventful: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task as text, computed as a worker of a cluster does."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "executors"))
    from text_executor import TextExecutor

    module = type(sys)("mini_model")
    module.MODEL = miniworld.model(module="mini_model")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mini_model", module)
    remote._job.cache_clear()
    remote._opened.cache_clear()
    executor = TextExecutor()
    sent = miniworld.build(eventful, out=eventful / "sent", executor=executor, module="mini_model", **ASKED)
    assert [json.loads(text)["state"] for text in executor.tasks].count("RNG_1A_S1.S1") == 4
    assert published(sent.run_dir) == published(miniworld.build(eventful, **ASKED).run_dir)


def test_a_store_holds_events_as_it_holds_segments(eventful: Path, tmp_path: Path) -> None:
    from sim.shell.events.progress import Silent
    from sim.world.build import How, build

    prepared = miniworld.prepared(eventful)
    how = How(out=f"file://{tmp_path}/store", work_dir=tmp_path / "work", rng_events=("1A",))
    url = build(prepared, miniworld.get_backend("cpu"), how, Silent()).world
    local: RunResult = miniworld.build(eventful, **ASKED)
    world = cw.open(url, eventful / "contracts", eventful / "config")
    assert world.tables == ("items", "doubles", "rng_event_1A_word")
    assert (
        world["rng_event_1A_word"].to_arrow().equals(cw.open(local.run_dir)["rng_event_1A_word"].to_arrow())
    )
    from sim.objects.location import parse_url
    from sim.objects.verify import verify_url

    codes = rng_events.gate_codes(SEGMENTS)
    assert not verify_url(parse_url(url), codes, True, eventful / "contracts", eventful / "config").problems


def test_what_is_not_there_cannot_be_asked() -> None:
    segments = miniworld.segments()
    assert (
        rng_events.require_events(["1A"], None, segments)
        == rng_events.require_events(["1A.S1", "1A"], "1A", segments)
        == ("1A.S1",)
    )
    call: Callable[[], Any]
    for call in (
        lambda: rng_events.require_events(["1B"], None, segments),
        lambda: rng_events.require_events(["1A.S2"], None, segments),
        lambda: rng_events.require_events(["5B.S3"], "5A", SEGMENTS),
    ):
        with pytest.raises(UsageError, match="NO_SUCH_EVENTS"):
            call()


def test_a_log_sums_by_cell_and_by_partition() -> None:
    """By hand: two cells and a carry into the high word; an empty stream has a table too."""
    log, u64 = EventLog(), np.uint64
    top = 2**64 - 1
    log.add("s", np.array([4, 9], u64), np.array([7, 7], u64), draws=3, entities=None, names=None)
    log.add(
        "s",
        np.array([1, top], u64),
        np.array([3, 3], u64),
        draws=np.array([2, 1]),
        entities=np.array([5, 1]),
        names=None,
    )
    single = log.frame("s", 2, "entity", {})
    rows = [tuple(int(single[name][row]) for name in single) for row in range(len(single))]
    assert rows == [
        (2, 3, 1, 3, 6, 5, 10, 5),
        (2, 3, top, 4, 0, 1, 1, 1),
        (2, 7, 4, 7, 6, 1, 3, 2),
        (2, 7, 9, 7, 11, 1, 3, 2),
    ]
    cells = log.frame("s", 2, CELL, {})
    assert [tuple(int(cells[name][row]) for name in cells) for row in range(len(cells))] == [
        (2, 3, 1, 4, 0, 6, 11, 6),
        (2, 7, 4, 7, 11, 2, 6, 4),
    ]
    whole = log.frame("s", 2, PARTITION, {})
    assert [int(whole[name][0]) for name in whole] == [2, 3, 1, 7, 11, 8, 17, 10]
    empty = log.frame("none", 0, CELL, {"merchant_id": "uint64"})
    assert len(empty) == 0 and tuple(empty)[:2] == ("part", "merchant_id")

"""The run loop: same bytes however it is run, resume after any stop, skip what is proven."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import miniworld
import numpy as np
import pyarrow.parquet as pq
import pytest

from sim.ground.errors import LockedError, ValidationError
from sim.shell.loop.outcome import RunResult
from sim.shell.publish.gate import open_bundle
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Partition
from sim.state.frames import Frame
from tests.trust.conftest import memory_directory


def digests(result: RunResult) -> dict[tuple[str, str | None], str]:
    return {
        (item.dataset, item.scenario): item.content_blake3
        for bundle in result.bundles.values()
        for item in bundle.datasets
    }


def tree(directory: Path) -> dict[str, bytes]:
    """Everything published: data and gates, byte for byte."""
    files = [
        path for part in ("data", "gates") for path in sorted((directory / part).rglob("*")) if path.is_file()
    ]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.promise("P21", "published files are read-only")
def test_a_run_publishes_what_it_computed(root: Path) -> None:
    result = miniworld.build(root)
    assert [row.status for row in result.rows] == ["PASS"] * 6
    files = sorted((result.run_dir / "data").rglob("part-*.parquet"))
    assert [path.name for path in files] == [f"part-0000{number}.parquet" for number in (0, 1, 2, 3, 0)]
    ids = np.concatenate([pq.read_table(path)["item_id"].to_numpy() for path in files[:4]])
    assert (ids == np.arange(100, dtype=np.uint64) + np.uint64(2**63)).all()
    assert all(path.stat().st_mode & 0o222 == 0 for path in files)


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"workers": 1, "order_seed": 1}, {"workers": 2, "order_seed": 2}]
)
@pytest.mark.promise("P17", "same files for any number of workers and any order of partitions")
def test_same_files_for_any_workers_and_order(root: Path, options: dict[str, int]) -> None:
    plain = miniworld.build(root, out=root / "a")
    other = miniworld.build(root, out=root / "b", **options)
    assert tree(plain.run_dir) == tree(other.run_dir)


def test_the_heaviest_partitions_are_begun_first_and_files_stay_the_same(root: Path) -> None:
    weights, begun = [2, 9, 2, 4], []

    def weighed(ctx: Context) -> list[Partition]:
        return [replace(part, weight=weights[part.index]) for part in miniworld.plan_items(ctx)]

    def noted(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
        begun.append(part.index)
        return miniworld.compute_items(ctx, part)

    plain = miniworld.build(root, out=root / "a")
    other = miniworld.build(
        root, out=root / "b", programs=miniworld.segments(plan_items=weighed, compute_items=noted)
    )
    assert begun == [1, 3, 0, 2]
    assert tree(plain.run_dir) == tree(other.run_dir)


@pytest.mark.promise("P21", "running again is no work: nothing is rewritten, not even a time stamp")
def test_running_again_changes_nothing(root: Path) -> None:
    first = miniworld.build(root)
    published = [
        path for path in sorted(first.run_dir.rglob("*")) if path.is_file() and "reports" not in path.parts
    ]
    before = {path: path.stat().st_mtime_ns for path in published if path.name != ".lock"}
    second = miniworld.build(root)
    assert {row.status for row in second.rows} == {"PROVEN"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_until_then_all_equals_all_at_once(root: Path) -> None:
    step = miniworld.build(root, out=root / "a", until="1A")
    assert list(step.bundles) == ["1A"]
    miniworld.build(root, out=root / "a")
    whole = miniworld.build(root, out=root / "b")
    assert tree(step.run_dir) == tree(whole.run_dir)


@pytest.mark.promise(
    "P16", "finished partitions of an interrupted state are taken over", faults="KeyboardInterrupt"
)
def test_interrupted_state_resumes_its_finished_partitions(root: Path) -> None:
    def stops(ctx, part):  # type: ignore[no-untyped-def]
        if part.index == 2:
            raise KeyboardInterrupt
        return miniworld.compute_items(ctx, part)

    with pytest.raises(KeyboardInterrupt):
        miniworld.build(root, programs=miniworld.segments(compute_items=stops))
    resumed = miniworld.build(root)
    assert next(row for row in resumed.rows if row.state == "1A.S1").partitions_resumed == 2
    assert tree(resumed.run_dir) == tree(miniworld.build(root, out=root / "fresh").run_dir)


@pytest.mark.promise(
    "P16", "a staged partition that was damaged is computed again", faults="bit flip in staging"
)
def test_a_damaged_finished_partition_is_computed_again(root: Path) -> None:
    def stops(ctx, part):  # type: ignore[no-untyped-def]
        if part.index == 3:
            raise KeyboardInterrupt
        return miniworld.compute_items(ctx, part)

    with pytest.raises(KeyboardInterrupt):
        miniworld.build(root, programs=miniworld.segments(compute_items=stops))
    staged = next((root / "runs").rglob("staging/1A.S1/data/items/_/part-00001.parquet"))
    data = bytearray(staged.read_bytes())
    data[50] ^= 1
    staged.chmod(0o644)
    staged.write_bytes(bytes(data))
    resumed = miniworld.build(root)
    assert next(row for row in resumed.rows if row.state == "1A.S1").partitions_resumed == 2
    assert tree(resumed.run_dir) == tree(miniworld.build(root, out=root / "fresh").run_dir)


def _kill_at(root: Path, calls: int) -> None:
    """Child process: run and SIGKILL ourselves at the n-th system call that changes the file system."""
    left = [calls]

    def counted(function):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "write", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    miniworld.build(root)
    os._exit(0)


def _killed_then_resumed(root: Path, calls: int, expected: dict[str, bytes]) -> bool:
    """Kill a run at its n-th call in a fresh directory, resume it, compare;
    True if the run ended before n calls.
    """
    out = root / f"kill{calls}"
    out.mkdir()
    for name in ("contracts", "config"):
        (out / name).symlink_to(root / name)
    child = multiprocessing.get_context("fork").Process(target=_kill_at, args=(out, calls))
    child.start()
    child.join()
    assert tree(miniworld.build(out).run_dir) == expected, f"killed at call {calls}"
    return child.exitcode == 0


@pytest.mark.promise(
    "P3", "killed at a call, then run again: the same bytes", faults="SIGKILL at sampled calls", cases=12
)
def test_killed_at_sampled_calls_then_resumed(root: Path) -> None:
    expected = tree(miniworld.build(root).run_dir)
    for calls in (1, 5, 9, 14, 20, 27, 33, 41, 48, 56, 63, 71):
        _killed_then_resumed(root, calls, expected)


@pytest.mark.slow
@pytest.mark.promise(
    "P3", "killed at every call, then run again: the same bytes", faults="SIGKILL at every call", cases=60
)
def test_killed_at_every_call_then_resumed() -> None:
    with memory_directory() as root:
        miniworld.write_world(root)
        _killed_at_every_call(root)


def _killed_at_every_call(root: Path) -> None:
    expected = tree(miniworld.build(root).run_dir)
    calls = 1
    while not _killed_then_resumed(root, calls, expected):
        calls += 1
    assert calls > 60


@pytest.mark.promise(
    "P22",
    "a failed model check publishes nothing, names found and expected, keeps the evidence",
    faults="a check that fails",
)
def test_a_failed_model_check_publishes_nothing_and_keeps_the_evidence(root: Path) -> None:
    from sim.state.declaration import Check

    broken = miniworld.segments(
        check_items=lambda ctx, totals: [Check("mean_weight", False, 3, 4, "planted")]
    )
    with pytest.raises(ValidationError) as error:
        miniworld.build(root, programs=broken)
    assert error.value.code == "1A.S1.CHECKS_FAILED"
    assert "mean_weight" in error.value.render() and "found 3" in error.value.render()
    run = next(path for path in (root / "runs").iterdir())
    assert not list((run / "data").rglob("*")) if (run / "data").exists() else True
    assert list((run / "staging/quarantine/1A.S1").rglob("part-*.parquet"))
    assert miniworld.build(root).bundles.keys() == {"1A", "1B"}


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [("weight", np.nan, "weight"), ("weight", -1.0, "weight"), ("item_id", 7, "item_id")],
)
@pytest.mark.promise(
    "P22", "a row that breaks its contract stops the state and is named", faults="NaN, range, key"
)
def test_a_row_that_breaks_its_contract_stops_the_state(
    root: Path, column: str, value: float, named: str
) -> None:
    def breaks(ctx, part):  # type: ignore[no-untyped-def]
        frame = miniworld.compute_items(ctx, part)["items"]
        values = frame[column].copy()
        values[-1] = value
        return {"items": frame.with_columns(**{column: values})}

    with pytest.raises(ValidationError) as error:
        miniworld.build(root, programs=miniworld.segments(compute_items=breaks))
    assert named in error.value.render()


@pytest.mark.promise("P22", "a dataset that was not written stops the state", faults="no rows")
def test_a_dataset_nobody_wrote_stops_the_state(root: Path) -> None:
    with pytest.raises(ValidationError, match="CHECKS_FAILED") as error:
        miniworld.build(
            root, programs=miniworld.segments(compute_items=lambda ctx, part: {}, check_items=None)
        )
    assert "items: not written" in error.value.render()


@pytest.mark.promise("P22", "an unknown foreign key stops the state", faults="a stray key")
def test_an_unknown_foreign_key_stops_the_state(root: Path) -> None:
    def stray(ctx, part):  # type: ignore[no-untyped-def]
        frame = miniworld.compute_doubles(ctx, part)["doubles"]
        ids = frame.item_id.copy()
        ids[-1] += np.uint64(5)
        return {
            "doubles": Frame(
                {"item_id": ids, "twice": ids * np.uint64(2), "note": frame.note}, valid=frame.valid
            )
        }

    with pytest.raises(ValidationError) as error:
        miniworld.build(root, programs=miniworld.segments(compute_doubles=stray))
    assert "foreign_key.item_id" in error.value.render()


@pytest.mark.promise("P21", "other content never replaces what is published", faults="other code, same name")
def test_other_content_under_a_published_name_is_a_conflict(root: Path) -> None:
    first = miniworld.build(root, until="1A")
    manifest = first.run_dir / "gates/1A/states/1A.S1.json"
    for path in [manifest, first.run_dir / "gates/1A/index.json", first.run_dir / "gates/1A/_passed.flag"]:
        path.unlink()

    def other(ctx, part):  # type: ignore[no-untyped-def]
        frame = miniworld.compute_items(ctx, part)["items"]
        return {"items": frame.with_columns(weight=frame.weight + 1.0)}

    before = tree(first.run_dir)
    with pytest.raises(LockedError, match="OUTPUT_CONFLICT"):
        miniworld.build(root, programs=miniworld.segments(compute_items=other))
    after = tree(first.run_dir)
    data = {name for name in before if name.startswith("data/")}
    assert data and all(after[name] == before[name] for name in data)


@pytest.mark.promise("P21", "other inputs are another run directory", cases=5)
def test_a_changed_config_seed_or_scenario_is_another_run(root: Path) -> None:
    ids = {miniworld.prepared(root).run_id, miniworld.prepared(root, seed=43).run_id}
    ids.add(miniworld.prepared(root, scenarios=("storm",)).run_id)
    ids.add(miniworld.prepared(root, overrides={"items_1A.total": 101}).run_id)
    (root / "config/layer1/1A/items.yaml").write_text("total: 100\npart_rows: 31\n")
    ids.add(miniworld.prepared(root).run_id)
    assert len(ids) == 5
    (root / "config/layer1/1A/items.yaml").write_text(
        "# a comment is not content\ntotal:   100\npart_rows: 30\n"
    )
    assert miniworld.prepared(root).run_id in ids


def test_seed_moves_draws_and_nothing_else(root: Path) -> None:
    first, second = miniworld.build(root), miniworld.build(root, request={"seed": 7})
    folders = [
        result.run_dir / open_bundle(result.run_dir, "1A").datasets[0].path for result in (first, second)
    ]
    left, right = (pq.read_table(folder / "part-00000.parquet") for folder in folders)
    assert left["item_id"].equals(right["item_id"])
    assert not left["word"].equals(right["word"])

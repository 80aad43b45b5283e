"""What crosses the wire, and what duplicates, zombies and strangers cannot do. No cluster:
every task as text, in this process.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from text_executor import TextExecutor
from traces import files

from sim.ground.errors import ContractError, SimError, StorageError, WorkerError
from sim.shell.loop.outcome import RunResult
from sim.shell.workers import worker as remote

Build = Callable[..., RunResult]


@pytest.fixture(autouse=True)
def fresh_worker() -> None:
    """A worker process keeps its jobs: tests begin with a new one."""
    remote._job.cache_clear()
    remote._opened.cache_clear()


def test_text_changes_no_byte(build: Build) -> None:
    executor = TextExecutor()
    sent = build(executor, "sent").run_dir
    assert files(sent) == files(build(None, "here").run_dir)
    assert not list((sent / "staging").iterdir())
    assert json.loads((sent / "run_receipt.json").read_text())["provenance"]["executor"] == "text"
    tasks = [json.loads(text) for text in executor.tasks]
    assert [set(task) for task in tasks] == [
        {"run_dir", "state", "job", "index", "scenario", "spec", "verify"}
    ] * 6
    assert [(task["state"], task["scenario"], task["index"], task["spec"]) for task in tasks] == [
        *(("1A.S1", None, k, {"rows": [30 * k, min(30 * k + 30, 100)]}) for k in range(4)),
        ("1B.S1", "calm", 0, {}),
        ("1B.S1", "storm", 0, {}),
    ]
    assert max(map(len, executor.tasks)) < 400


def test_what_a_killed_driver_was_removing_is_removed(
    build: Build, orders: Callable[[str], None], tmp_path: Path
) -> None:
    orders("00001.refuse")
    with pytest.raises(ContractError):
        build()
    staging = next(tmp_path.glob("runs/*/staging"))
    (staging / "1A.S1.gone-0/attempts/0").mkdir(parents=True)
    (remote_orders() / "00001.refuse").unlink()
    assert not list((build().run_dir / "staging").iterdir())


def test_a_worker_names_the_file_and_line_that_decide(
    build: Build, orders: Callable[[str], None], root: Path
) -> None:
    """It reads the configuration itself, so a refusal of its says the same as the driver's."""
    orders("00001.refuse")
    for executor in (TextExecutor(), None):
        with pytest.raises(ContractError) as refused:
            build(executor)
        file = root / "config/layer1/1A/items.yaml"
        assert refused.value.code == "1A.S1.TEST_REFUSAL"
        assert refused.value.where.startswith(f"{file}:2:1 (items_1A.part_rows)") and (
            " (on " in refused.value.where
        ) == bool(executor)
        assert file.read_text().splitlines()[1].startswith("part_rows:")


@pytest.mark.promise(
    "P15", "every partition computed three times at once: the same bytes", faults="duplicated tasks"
)
def test_three_workers_on_every_partition_at_once(build: Build) -> None:
    assert files(build(TextExecutor(copies=3), "thrice").run_dir) == files(build(None, "once").run_dir)


@pytest.mark.promise("P15", "a task repeated after publishing writes nothing", faults="duplicated tasks")
def test_a_task_repeated_when_all_is_published_writes_nothing(build: Build) -> None:
    executor = TextExecutor()
    run_dir = build(executor).run_dir
    before = files(run_dir)
    for text in executor.tasks:
        assert "stale" in json.loads(remote.compute(text))
    remote._job.cache_clear()  # a worker that has never seen the job
    for text in executor.tasks:
        assert "stale" in json.loads(remote.compute(text))
    assert files(run_dir) == before and not list((run_dir / "staging").iterdir())


class Zombie(TextExecutor):
    """Partition 1 is held by a worker that is given up; another computes it;
    the first is released at `awakes`.
    """

    def __init__(self, orders: Callable[[str], None], awakes: str) -> None:
        super().__init__()
        self._order, self._awakes = orders, awakes
        self.answer = ""
        self.thread = threading.Thread()

    def map(self, work: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for item in items:
            text = work.send(item)
            if item.name == "00001":
                self._order("00001.hold-once")
                self.thread = threading.Thread(target=self._compute, args=(text,))
                self.thread.start()
                while work.unanswered(item) == 0 or (remote_orders() / "00001.hold-once").exists():
                    time.sleep(0.005)
            yield item, work.receive(item, work.remote()(text))
            if item.name == "00001" and self._awakes == "before publishing":
                self.wake()

    def wake(self) -> None:
        self._order("release")
        self.thread.join()

    def _compute(self, text: str) -> None:
        self.answer = remote.compute(text)


def remote_orders() -> Path:
    import hostile_world

    return hostile_world.orders()


@pytest.mark.promise(
    "P15", "a worker given up that wakes before publishing is not listened to", faults="zombie worker"
)
def test_a_zombie_that_wakes_before_publishing_is_not_listened_to(
    build: Build, orders: Callable[[str], None]
) -> None:
    zombie = Zombie(orders, "before publishing")
    run_dir = build(zombie).run_dir
    # it worked in a room of its own
    assert set(json.loads(zombie.answer)) == {"format", "worker", "result", "attempt"}
    assert files(run_dir) == files(build(None, "here").run_dir)
    assert not list((run_dir / "staging").iterdir())


@pytest.mark.promise(
    "P15", "a worker given up that wakes after publishing finds nothing", faults="zombie worker"
)
def test_a_zombie_that_wakes_after_publishing_finds_nothing(
    build: Build, orders: Callable[[str], None]
) -> None:
    zombie = Zombie(orders, "after publishing")
    run_dir = build(zombie).run_dir
    before = files(run_dir)
    assert before == files(build(None, "here").run_dir)
    zombie.wake()
    assert set(json.loads(zombie.answer)) == {"format", "worker", "stale"}
    assert files(run_dir) == before and not list((run_dir / "staging").iterdir())


def test_a_zombie_of_a_driver_that_is_no_more(build: Build, orders: Callable[[str], None]) -> None:
    """The first driver stops with a refusal while a worker still computes; the second finishes the run;
    the worker wakes up.
    """
    zombie = Zombie(orders, "after publishing")
    orders("00002.refuse")
    with pytest.raises(ContractError):
        build(zombie)
    (remote_orders() / "00002.refuse").unlink()
    result = build(TextExecutor())
    assert [row.partitions_resumed for row in result.rows if row.state == "1A.S1"] == [2]
    before = files(result.run_dir)
    zombie.wake()
    assert set(json.loads(zombie.answer)) == {"format", "worker", "stale"}
    assert files(result.run_dir) == before == files(build(None, "here").run_dir)


@pytest.mark.parametrize(
    ("order", "kind", "code", "found"),
    [
        ("refuse", ContractError, "1A.S1.TEST_REFUSAL", "an order"),
        ("disk", StorageError, "SHELL.IO_WRITE_FAILED", ""),
        ("bug", WorkerError, "SHELL.PARTITION_FAILED", "ZeroDivisionError: a bug by order"),
    ],
)
def test_what_refuses_a_partition_refuses_the_run(
    build: Build,
    orders: Callable[[str], None],
    tmp_path: Path,
    order: str,
    kind: type[SimError],
    code: str,
    found: str,
) -> None:
    orders(f"00002.{order}")
    with pytest.raises(kind) as caught:
        build(TextExecutor())
    assert (caught.value.code, caught.value.found) == (code, found)
    assert f"pid {os.getpid()}" in caught.value.where
    staging = next(tmp_path.glob("runs/*/staging/1A.S1"))
    assert sorted(path.name for path in (staging / "receipts").iterdir()) == ["00000.json", "00001.json"]
    assert not (staging / "attempts").exists()


def test_code_of_another_version_is_refused(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.ground.identity import code_digest

    monkeypatch.setattr(remote, "_CODE", "0" * 64)
    with pytest.raises(WorkerError) as caught:
        build(TextExecutor())
    assert caught.value.code == "SHELL.WORKER_DIFFERS" and caught.value.exit_code == 8
    assert caught.value.what == "a worker's code digest is not the driver's"
    assert (caught.value.found, caught.value.expected) == (
        f"{'0' * 64} on the worker",
        f"{code_digest()} on the driver",
    )


@pytest.mark.parametrize("file", ["config/layer1/1A/items.yaml", "contracts/layer1/1A/schemas.yaml"])
def test_contracts_and_parameters_of_another_version_are_refused(build: Build, root: Path, file: str) -> None:
    """The worker's copy changes after the driver has read its own."""
    path = root / file
    kept = path.read_bytes()
    executor = TextExecutor(tamper=lambda text: path.write_bytes(kept.replace(b"100", b"101")) and text)
    try:
        with pytest.raises(WorkerError) as caught:
            build(executor)
    finally:
        path.write_bytes(kept)
    assert caught.value.code == "SHELL.WORKER_DIFFERS"
    assert (
        caught.value.what
        == f"a worker's {'parameter hash' if 'config' in file else 'contracts digest'} is not the driver's"
    )


def test_a_job_or_manifest_that_was_tampered_with_is_refused(build: Build, tmp_path: Path) -> None:
    def spoil(pattern: str) -> Callable[[str], str]:
        def tamper(text: str) -> str:
            for path in tmp_path.glob(pattern):
                path.chmod(0o644)
                path.write_bytes(path.read_bytes().replace(b"1A", b"1B", 1))
            return text

        return tamper

    with pytest.raises(WorkerError, match=r"a worker's job document is not the driver's"):
        build(TextExecutor(tamper=spoil("job/*/staging/1A.S1/attempts/*/job.json")), "job")
    with pytest.raises(WorkerError, match=r"a worker's staging binding is not the driver's"):
        build(TextExecutor(tamper=spoil_binding(tmp_path)), "binding")
    remote._manifest.cache_clear()
    with pytest.raises(SimError) as caught:
        build(
            TextExecutor(
                tamper=lambda text: (
                    text if '"1A.S1"' in text else spoil("manifest/*/gates/1A/states/1A.S1.json")(text)
                )
            ),
            "manifest",
        )
    assert caught.value.code == "SHELL.SEALED_INPUTS_DIGEST_MISMATCH"


def spoil_binding(tmp_path: Path) -> Callable[[str], str]:
    def tamper(text: str) -> str:
        path = next(tmp_path.glob("binding/*/staging/1A.S1/binding"))
        path.chmod(0o644)
        path.write_text("another")
        return text

    return tamper


def test_a_worker_that_sees_another_directory_is_named(build: Build) -> None:
    executor = TextExecutor(tamper=lambda text: text.replace('"run_dir":"', '"run_dir":"/nowhere'))
    with pytest.raises(WorkerError) as caught:
        build(executor)
    assert (caught.value.code, caught.value.exit_code) == ("SHELL.RUN_DIRECTORY_NOT_SHARED", 8)
    assert "/nowhere" in caught.value.found


def test_an_answer_cannot_name_files_that_are_not_its_own(build: Build) -> None:
    class Liar(TextExecutor):
        def __init__(self, lie: Callable[[dict[str, Any]], object]) -> None:
            super().__init__()
            self.lie = lie

        def map(self, work: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            for item in items:
                reply = json.loads(work.remote()(work.send(item)))
                self.lie(reply)
                yield item, work.receive(item, json.dumps(reply))

    def another_file(reply: dict[str, Any]) -> None:
        reply["result"]["files"]["items"]["name"] = "../../../../run_receipt.json"

    def another_dataset(reply: dict[str, Any]) -> None:
        reply["result"]["files"]["../doubles"] = reply["result"]["files"].pop("items")

    def another_partition(reply: dict[str, Any]) -> None:
        reply["result"]["name"] = "00009"

    def another_directory(reply: dict[str, Any]) -> None:
        reply["attempt"] = f"00000./../{reply['attempt']}"

    def figures(reply: dict[str, Any]) -> None:
        reply["result"]["files"]["items"]["rows"] = -1

    def no_files(reply: dict[str, Any]) -> None:
        reply["result"]["files"] = []

    def unknown_refusal(reply: dict[str, Any]) -> None:
        del reply["result"]
        reply["refused"] = {"class": "SystemExit", "code": "X", "where": ""}

    def silent_failure(reply: dict[str, Any]) -> None:
        del reply["result"]
        reply["failed"] = ""

    def nothing(reply: dict[str, Any]) -> None:
        del reply["result"]

    def another_law(reply: dict[str, Any]) -> None:
        reply["format"] = "partition-reply-v0"

    lies = (another_file, another_dataset, another_partition, another_directory, figures, no_files)
    for number, lie in enumerate((*lies, unknown_refusal, silent_failure, nothing, another_law)):
        with pytest.raises(WorkerError, match=r"partition 00000 of 1A\.S1") as caught:
            build(Liar(lie), f"lie{number}")
        assert caught.value.code == "SHELL.WORKER_ANSWER_INVALID", lie

"""Clusters of real processes: same bytes with any number of workers, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from traces import family, files, listening

from sim.executors import ClusterLost, ExecutorUnavailable, Transient
from sim.executors.cluster import ClusterOptions
from sim.executors.dask import DaskExecutor
from sim.ground.errors import ContractError, WorkerError
from sim.shell.loop.outcome import RunResult
from tests.work import wait_until

Build = Callable[..., RunResult]
ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def pair(orders_folder: Path) -> Iterator[DaskExecutor]:
    """A cluster of two workers, for many tests."""
    executor = DaskExecutor(ClusterOptions(2))
    yield executor
    executor.close()


@pytest.fixture
def started() -> Iterator[Callable[..., DaskExecutor]]:
    """Starts executors and closes them."""
    made: list[DaskExecutor] = []

    def start(workers: int = 2, **options: object) -> DaskExecutor:
        made.append(DaskExecutor(ClusterOptions(workers, **options)))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for executor in made:
        executor.close()


class Squares:
    """Work that needs nothing of the engine."""

    def __init__(self, function: Callable[[str], str]) -> None:
        self.function, self.sent, self.received, self.most = function, 0, 0, 0

    def name(self, item: int) -> str:
        return str(item)

    def here(self, item: int) -> int:
        return item * item

    def remote(self) -> Callable[[str], str]:
        return self.function

    def send(self, item: int) -> str:
        self.sent += 1
        self.most = max(self.most, self.sent - self.received)
        return json.dumps(item)

    def receive(self, item: int, text: str) -> int:
        self.received += 1
        answer = json.loads(text)
        if answer < 0:
            raise Transient(OverflowError(f"{item}"))
        assert isinstance(answer, int)
        return answer

    def unanswered(self, item: int) -> int:
        return 0


def test_work_is_handed_out_as_it_is_done_and_nothing_listens_to_the_network(
    started: Callable[..., DaskExecutor],
) -> None:
    import remote_functions

    before = family(os.getpid())
    executor = started(2)
    work = Squares(remote_functions.square)
    drawn = []

    def items() -> Iterable[int]:
        for k in range(60):
            drawn.append(k)
            yield k

    results = executor.map(work, items())
    first = next(results)
    mine = family(os.getpid())
    assert len(mine) >= len(before) + 2
    addresses = sorted(listening(mine))
    assert len(addresses) >= 3, "a scheduler and two workers with their nannies listen somewhere"
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}
    assert len(drawn) <= 4
    assert sorted([first, *results]) == [(k, k * k) for k in range(60)]
    assert work.most <= 4
    again = Squares(remote_functions.square)
    assert sorted(executor.map(again, [])) == [] and again.sent == 0
    executor.close()
    wait_until(lambda: family(os.getpid()) <= before)


def test_a_transient_failure_is_tried_three_times(started: Callable[..., DaskExecutor]) -> None:
    import remote_functions

    work = Squares(remote_functions.never)
    with pytest.raises(OverflowError, match="7"):
        list(started(1).map(work, [7]))
    assert work.received == 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.promise("P17", "the same bytes with 1 and 4 worker processes")
def test_same_bytes_with_any_number_of_workers(
    build: Build, started: Callable[..., DaskExecutor], workers: int
) -> None:
    run_dir = build(started(workers), "dask").run_dir
    assert files(run_dir) == files(build(None, "local").run_dir)
    assert not list((run_dir / "staging").iterdir())


@pytest.mark.promise(
    "P14",
    "workers killed in the middle of a run: it completes to the same bytes",
    faults="SIGKILL of two workers",
    cases=2,
)
def test_two_workers_then_workers_that_die(
    build: Build, orders: Callable[[str], None], orders_folder: Path, pair: DaskExecutor
) -> None:
    """In the second run two partitions take their workers with them, once each;
    then their replacements compute them.
    """
    wanted = files(build(None, "local").run_dir)
    assert files(build(pair, "calm").run_dir) == wanted
    orders("00001.die-once")
    orders("00003.die-once")
    run_dir = build(pair, "stormy").run_dir
    assert not list(orders_folder.glob("*.die-once"))
    assert files(run_dir) == wanted
    assert not list((run_dir / "staging").iterdir())


@pytest.mark.promise(
    "P14",
    "a partition that kills every worker is named with exit 8 after three deaths; nothing else is blamed",
    faults="workers that die",
    cases=3,
)
def test_a_partition_that_kills_three_workers_is_named(
    build: Build, orders: Callable[[str], None], orders_folder: Path, pair: DaskExecutor
) -> None:
    """The others, which waited on those workers, are not blamed;
    and without the order the run is finished.
    """
    orders("00002.die")
    with pytest.raises(WorkerError) as caught:
        build(pair, "dask")
    assert (caught.value.code, caught.value.exit_code) == ("SHELL.WORKERS_DIED", 8)
    assert caught.value.what == "3 workers died while computing partition 00002 of 1A.S1"
    assert len(list(orders_folder.glob("began.00002.*"))) == 3
    (orders_folder / "00002.die").unlink()
    result = build(None, "dask")
    assert next(row.partitions_resumed for row in result.rows if row.state == "1A.S1") in (1, 2, 3)
    assert files(result.run_dir) == files(build(None, "local").run_dir)


def test_a_refusal_ends_the_run_and_a_broken_disk_is_tried_again(
    build: Build, orders: Callable[[str], None], orders_folder: Path, pair: DaskExecutor
) -> None:
    orders("00001.refuse")
    orders("00000.disk-once")
    with pytest.raises(ContractError) as caught:
        build(pair, "dask")
    assert caught.value.code == "1A.S1.TEST_REFUSAL"
    (orders_folder / "00001.refuse").unlink()
    assert files(build(pair, "dask").run_dir) == files(build(None, "local").run_dir)


@pytest.mark.promise(
    "P14",
    "the scheduler dies: exit 8, and the same request completes to the same bytes",
    faults="SIGKILL of the scheduler",
)
def test_the_scheduler_dies_and_another_run_finishes(
    build: Build,
    orders: Callable[[str], None],
    orders_folder: Path,
    tmp_path: Path,
    started: Callable[..., DaskExecutor],
) -> None:
    address = tmp_path / "scheduler.json"
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, Path(__file__).parent)))}
    python = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*python, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)],
        env=where,
        stderr=subprocess.DEVNULL,
    )
    worker_command = [
        "--scheduler-file",
        str(address),
        "--nthreads",
        "1",
        "--no-dashboard",
        "--host",
        "127.0.0.1",
        "--no-nanny",
    ]
    worker = None
    try:
        wait_until(address.exists)
        worker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                *worker_command,
                "--local-directory",
                str(tmp_path / "scratch"),
            ],
            env=where,
            stderr=subprocess.DEVNULL,
        )
        (orders_folder / "scheduler.pid").write_text(str(scheduler.pid))
        orders("00002.kill-scheduler-once")
        with pytest.raises(WorkerError) as caught:
            build(started(scheduler_file=address), "dask")
        assert (caught.value.code, caught.value.exit_code) == ("SHELL.CLUSTER_LOST", 8)
        assert "closedworld run with the same arguments goes on from here" in caught.value.do
    finally:
        for process in (worker, scheduler):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()
    result = build(None, "dask")
    assert next(row.partitions_resumed for row in result.rows if row.state == "1A.S1") >= 1
    assert files(result.run_dir) == files(build(None, "local").run_dir)


def test_nobody_answers(started: Callable[..., DaskExecutor]) -> None:
    import remote_functions

    with pytest.raises(ExecutorUnavailable, match=r"no scheduler at tcp://127\.0\.0\.1:9"):
        list(started(scheduler="tcp://127.0.0.1:9", patience=1.0).map(Squares(remote_functions.square), [1]))


def test_a_cluster_without_workers_is_not_waited_for_forever(started: Callable[..., DaskExecutor]) -> None:
    import remote_functions

    with pytest.raises(ClusterLost, match="no worker has been connected for 1 s"):
        list(started(0, patience=1.0).map(Squares(remote_functions.square), [1]))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import remote_functions

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExecutorUnavailable, match=r"pip install 'closedworld\[dask\]'"):
        list(DaskExecutor(ClusterOptions()).map(Squares(remote_functions.square), [1]))

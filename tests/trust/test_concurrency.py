"""Two at once: runs from a barrier, a killed holder, a reader beside a writer,
a stopped process woken too late, a task done twice.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sim.executors import local
from sim.ground.errors import GateError, LockedError
from sim.shell.publish.gate import verify_bundle
from sim.shell.publish.lock import RunLock
from sim.shell.runs.opened import open_run
from sim.shell.runs.status import probe_lock
from sim.shell.runs.verify import content_check, verify_run
from tests.trust import mini

Start = Callable[..., mini.Child]
Run = Callable[..., mini.Done]


class Barrier:
    """Lets forked processes go at the same instant: a shared byte that all of them watch."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def wait(self) -> None:
        while self._memory[0] == 0:
            pass

    def open(self) -> None:
        self._memory[0] = 1


def race(child: Start, out: Path, plain: dict[str, bytes]) -> tuple[int, int]:
    """Two runs from a barrier on one run directory; their exit codes."""
    barrier = Barrier()
    pair = [child(out, before=barrier.wait) for _ in range(2)]
    time.sleep(0.02)
    barrier.open()
    done = [one.ended() for one in pair]
    codes = sorted(one.code for one in done)
    assert codes in ([0, 0], [0, 6]), (codes, done)
    for one in done:
        if one.code == 6:
            assert one.error["code"] == "SHELL.RUN_LOCKED" and str(out) in str(one.error["where"]), one
            winner = next(other.pid for other, end in zip(pair, done, strict=True) if end.code == 0)
            assert f'"pid": {winner}' in str(one.error["found"]) or "has not written its name yet" in str(
                one.error["found"]
            ), one
    assert mini.tree(mini.run_dir(out)) == plain
    return codes[0], codes[1]


P7 = (
    "two runs of one request started together: one works, the other is told who does or finds all done; the "
    "content is the same"
)


@pytest.mark.promise("P7", P7, faults="two processes from a barrier", cases=5)
def test_two_runs_from_a_barrier(child: Start, ram: Path, plain_tree: dict[str, bytes]) -> None:
    assert {race(child, ram / str(number), plain_tree) for number in range(5)} <= {(0, 0), (0, 6)}


@pytest.mark.slow
@pytest.mark.promise("P7", P7, faults="two processes from a barrier", cases=100)
def test_a_hundred_races(child: Start, ram: Path, plain_tree: dict[str, bytes]) -> None:
    found = [race(child, ram / str(number), plain_tree) for number in range(100)]
    print(f"{found.count((0, 6))} refused, {found.count((0, 0))} one after the other")
    assert found.count((0, 6)) > 10


def pausing(run_dir: Path) -> Any:
    """Segments whose third partition waits, with the lock held, until the process is killed."""

    def compute(ctx: Any, part: Any) -> Any:
        if part.index == 2:
            (run_dir.parent / "waiting").touch()
            time.sleep(3600)
        return mini.miniworld.compute_items(ctx, part)

    return mini.miniworld.segments(compute_items=compute)


@pytest.mark.promise(
    "P7",
    "a killed holder leaves no lock: the next run starts at once and ends equal",
    faults="SIGKILL of the holder",
    cases=5,
)
@pytest.mark.promise(
    "P16",
    "after the driver was killed only unfinished partitions are computed again",
    faults="SIGKILL of the driver",
    cases=5,
)
def test_the_holder_is_killed(
    child: Start, run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        out = ram / str(number)
        out.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sim.model.MODEL", mini.miniworld.model(pausing(out / "x")))
            holder = child(out)
        mini.wait_for(out / "waiting", holder)
        refused = run(out)
        assert refused.code == 6 and f'"pid": {holder.pid}' in str(refused.error["found"]), refused
        holder.send(signal.SIGKILL)
        assert holder.ended().code == -signal.SIGKILL
        assert probe_lock(mini.run_dir(out)) == (False, "")
        done = run(out)
        assert done.code == 0
        states: Any = done.answer["states"]
        assert next(row["partitions_resumed"] for row in states if row["state"] == "1A.S1") == 2
        assert mini.tree(mini.run_dir(out)) == plain_tree


@pytest.mark.promise(
    "P8",
    "a reader beside a writer sees nothing, or complete proven segments",
    faults="a reader in a loop beside fresh runs",
    cases=8,
)
def test_a_reader_beside_a_writer(
    child: Start, mini_root: Path, ram: Path, record_property: Callable[..., None]
) -> None:
    prepared = mini.miniworld.prepared(mini_root)
    seen: dict[str, int] = {"nothing": 0, "": 0, "1A": 0, "1A,1B": 0}
    for number in range(80):
        # between the two flags are milliseconds: as many runs as it takes to look there
        if number >= 8 and seen["1A"]:
            break
        out = ram / str(number)
        run_dir = out / prepared.run_id
        content = content_check(run_dir, prepared.contracts, prepared.vocabularies)
        writer = child(out)
        while not seen.pop("last", 0):
            over = os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            try:
                opened = open_run(run_dir, mini.CODES)
                report = verify_run(run_dir, mini.CODES, content, contracts=prepared.contracts)
            except GateError as error:
                assert error.code == "SHELL.PUBLISHED_FILE_MISSING" and error.where.endswith(
                    "run_receipt.json"
                ), error
                seen["nothing"] += 1
            else:
                for bundle in opened.bundles.values():
                    assert verify_bundle(run_dir, bundle, deep=True) == []
                assert all("has begun and not passed" in text for text in report.problems), report.problems
                assert tuple(opened.bundles) == mini.CODES[: len(opened.bundles)]
                seen[",".join(opened.bundles)] += 1
            seen["last"] = int(over)
        assert writer.ended().code == 0
        assert verify_run(run_dir, mini.CODES, content, contracts=prepared.contracts).problems == ()
    print(seen)
    assert seen["1A"] and seen["1A,1B"] >= 8 and seen["nothing"] + seen[""], seen
    record_property("cases", sum(seen.values()))


def stopped_at(call: str, number: int) -> Callable[[], None]:
    """In the child: stop at the n-th call of one kind, as if the machine had frozen it there."""

    def before() -> None:
        real, left = getattr(os, call), [number]

        def counted(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
            return real(*args, **kwargs)

        setattr(os, call, counted)

    return before


def zombie(child: Start, run: Run, out: Path, plain: dict[str, bytes], call: str, number: int) -> int:
    """A run freezes and loses its lock, another finishes the world,
    the first one wakes up. Returns its exit code.
    """
    frozen = child(out, before=stopped_at(call, number))
    _, status = os.waitpid(frozen.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), (call, number, status)
    lock = mini.run_dir(out) / ".lock"
    lock.unlink(missing_ok=True)  # the kernel would keep it; a network file system, or its user, may not
    done = run(out)
    assert done.code == 0, (call, number, done)
    frozen.send(signal.SIGCONT)
    code = frozen.ended().code
    assert code in (0, 6, 7), (call, number, code)
    assert mini.tree(mini.run_dir(out)) == plain, (call, number)
    assert run(out).code == 0
    assert mini.tree(mini.run_dir(out)) == plain, (call, number)
    return code


P15 = "a process frozen anywhere, robbed of its lock and woken after another finished the world: harmless"


@pytest.mark.promise(
    "P15", P15, faults="SIGSTOP at sampled write, fsync, mkdir, replace; lock removed; SIGCONT", cases=12
)
def test_a_zombie_wakes_up(
    child: Start, run: Run, ram: Path, plain_tree: dict[str, bytes], calls: dict[str, int]
) -> None:
    shares = {
        "write": (0.01, 0.3, 0.65),
        "fsync": (0.03, 0.2, 0.45, 0.7, 0.9),
        "mkdir": (0.3, 0.9),
        "replace": (0.2, 0.8),
    }
    moments = [(call, 1 + int(share * (calls[call] - 1))) for call in shares for share in shares[call]]
    codes = [
        zombie(child, run, ram / f"{call}{number}", plain_tree, call, number) for call, number in moments
    ]
    assert len(codes) == 12


@pytest.mark.slow
@pytest.mark.promise("P15", P15, faults="SIGSTOP at every write and every third fsync; lock removed; SIGCONT")
def test_zombies_everywhere(
    child: Start,
    run: Run,
    ram: Path,
    plain_tree: dict[str, bytes],
    calls: dict[str, int],
    record_property: Callable[..., None],
) -> None:
    moments = [("write", number) for number in range(1, calls["write"] + 1)] + [
        ("fsync", n) for n in range(1, calls["fsync"] + 1, 3)
    ]
    for call, number in moments:
        zombie(child, run, ram / f"{call}{number}", plain_tree, call, number)
    record_property("cases", len(moments))


@pytest.mark.promise(
    "P15",
    "a partition computed twice, even at once, changes nothing",
    faults="each task two and three times, in parallel",
    cases=20,
)
def test_a_duplicated_task(
    run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(times: int) -> Callable[..., Any]:
        def run_duplicated(function: Any, items: Any, workers: int, budget: Any) -> Any:
            for item in items:
                barrier = threading.Barrier(times)

                def task(item: Any = item, barrier: threading.Barrier = barrier) -> Any:
                    barrier.wait()
                    return function(item)

                with ThreadPoolExecutor(times) as pool:
                    results = [future.result() for future in [pool.submit(task) for _ in range(times)]]
                assert all(result == results[0] for result in results)
                yield item, results[-1]

        return run_duplicated

    for number in range(20):
        monkeypatch.setattr(local, "run_local", twice(2 + number % 2))
        assert run(ram / str(number)).code == 0
        assert mini.tree(mini.run_dir(ram / str(number))) == plain_tree


@pytest.mark.promise(
    "P7",
    "a lock is not inherited: what a run starts cannot keep it",
    faults="a child that outlives the holder",
)
def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "30"], dict(os.environ))
    try:
        # a kernel closes what is not inherited just after it lets the parent go on
        for attempt in range(1000):
            try:
                with RunLock(tmp_path):
                    break
            except LockedError:
                assert attempt < 999
                time.sleep(0.001)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

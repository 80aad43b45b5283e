"""SIGKILL at every file-system call, at random times and under strace, through the real command line;
then the same command again.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runs.worlds import ROOT, arguments, published
from tests.trust import mini

sys.path.insert(0, str(Path(__file__).parent))

from power_loss import Op, recorded

from tests.work import PATIENCE_S

SEED = int(os.environ.get("CLOSEDWORLD_FAULT_SEED", "20261122"))
ARMED: list[Any] = []
"""Recorders of forked runs: one that is forgotten takes its wrappers with it."""
CALLS = ("mkdir", "openat", "write", "fsync", "renameat2", "rename")


def again(child: Callable[..., mini.Child], out: Path, plain_tree: dict[str, bytes], label: object) -> None:
    """What is left is whole; the same command then ends as an undisturbed run,
    and once more changes nothing.
    """
    mini.subset(out, plain_tree)
    done = child(out).ended()
    assert done.code == 0, (label, done.err)
    assert mini.tree(mini.run_dir(out)) == plain_tree, label


def killed_at(child: Callable[..., mini.Child], out: Path, number: int) -> bool:
    """Run, killed before its n-th call that changes files; whether it got that far."""

    def arm() -> None:
        left, ops = [number], list[Op]()

        def stop(op: Op) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        out.mkdir(exist_ok=True)
        ARMED.append(recorded(out, ops, stop))
        ARMED[-1].__enter__()

    return child(out, before=arm).ended().code == -signal.SIGKILL


def test_killed_at_sampled_calls(
    child: Callable[..., mini.Child], ram: Path, plain_tree: dict[str, bytes]
) -> None:
    for number in range(1, 240, 17):
        out = ram / f"n{number}"
        assert killed_at(child, out, number), number
        again(child, out, plain_tree, number)


@pytest.mark.slow(90)
@pytest.mark.promise(
    "P1",
    "Killed at any call, every state is absent or whole",
    faults="SIGKILL before the n-th call",
    cases=230,
)
@pytest.mark.promise(
    "P3",
    "Run again after any kill, it ends with the same bytes",
    faults="SIGKILL before the n-th call",
    cases=230,
)
def test_killed_at_every_call(
    child: Callable[..., mini.Child],
    ram: Path,
    plain_tree: dict[str, bytes],
    record_property: Callable[..., None],
) -> None:
    number = 1
    while killed_at(child, ram / "out", number):
        again(child, ram / "out", plain_tree, number)
        shutil.rmtree(ram / "out")
        number += 1
    print(f"{number - 1} kills survived")
    assert number > 200
    record_property("cases", number - 1)


def random_kills(
    child: Callable[..., mini.Child], ram: Path, plain_tree: dict[str, bytes], count: int
) -> int:
    """Kill that many runs at random moments, some of them again while they resume;
    returns how many kills met a living run.
    """
    rng = random.Random(SEED)
    started = time.monotonic()
    assert child(ram / "timed").ended().code == 0
    usual = time.monotonic() - started
    met = 0
    for number in range(count):
        out = ram / f"r{number}"
        for _ in range(rng.choice((1, 1, 2, 3))):
            wait = rng.random() * usual
            run = child(out)
            time.sleep(wait)
            run.send(signal.SIGKILL)
            met += run.ended().code == -signal.SIGKILL
        again(child, out, plain_tree, f"seed {SEED}, loop {number}")
        shutil.rmtree(out)
    print(f"seed {SEED}: {met} kills met a living run, in {count} loops")
    return met


def test_killed_at_random_times(
    child: Callable[..., mini.Child], ram: Path, plain_tree: dict[str, bytes]
) -> None:
    assert random_kills(child, ram, plain_tree, 20) >= 10


@pytest.mark.slow(75)
@pytest.mark.promise(
    "P1", "Killed at any moment, every state is absent or whole", faults="SIGKILL at random times", cases=200
)
def test_killed_at_two_hundred_random_times(
    child: Callable[..., mini.Child],
    ram: Path,
    plain_tree: dict[str, bytes],
    record_property: Callable[..., None],
) -> None:
    met = random_kills(child, ram, plain_tree, 200)
    assert met >= 120
    record_property("cases", met)


def strace(*options: str) -> list[str]:
    """strace of the main and all other threads, or a skip that says what is missing."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip(
            "strace is not installed (apt-get install strace); the kills at recorded calls have run without "
            "it"
        )
    if subprocess.run(
        [program, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("this place forbids ptrace; the kills at recorded calls have run without it")
    return [program, "-f", "-qq", "-o", *options]


@pytest.mark.slow
@pytest.mark.promise(
    "P1",
    "Killed at the n-th system call, every state is absent or whole",
    faults="strace inject SIGKILL",
    cases=36,
)
def test_killed_at_system_calls(
    child: Callable[..., mini.Child], mini_root: Path, ram: Path, plain_tree: dict[str, bytes]
) -> None:
    """Every thread and library counts here, at a tenth of the calls that come after the
    run directory exists.
    """
    log = ram / "log"
    traced = mini.process(mini_root, ram / "clean", before=strace(str(log), "-e", f"trace={','.join(CALLS)}"))
    assert mini.ended(traced).code == 0
    calls = [match[1] for match in re.finditer(r"^\d+ +(\w+)\(", log.read_text(), re.M)]
    lines = log.read_text().splitlines()
    begin = next(
        number for number, line in enumerate(lines) if "mkdir(" in line and str(ram / "clean") in line
    )
    met = 0
    for name in CALLS:
        before = sum(call == name for call in calls[:begin])
        total = sum(call == name for call in calls)
        rng = random.Random(f"{SEED} {name}")
        chosen = range(before + 1, total + 1)
        for when in sorted(rng.sample(chosen, min(6, len(chosen)))):
            out = ram / f"{name}{when}"
            inject = ["-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={when}"]
            run = mini.process(mini_root, out, before=strace(os.devnull, *inject))
            met += run.wait(120) != 0
            run.communicate()
            again(child, out, plain_tree, (name, when)) if out.is_dir() else None
    print(f"seed {SEED}: {met} kills by strace survived")
    assert met >= 24


@pytest.mark.slow
@pytest.mark.promise(
    "P3",
    "The whole model, killed again and again, ends with the same bytes",
    faults="SIGKILL at random times",
    cases=12,
)
def test_a_whole_world_killed_again_and_again(tmp_path: Path, demo_run: Path) -> None:
    """The tiny demo world in one directory: every kill leaves a little more of it,
    until a run gets through.
    """
    rng = random.Random(SEED)
    command = [
        sys.executable,
        "-m",
        "sim",
        *arguments("tiny", tmp_path),
        "--scenario",
        "stress_peak_online_v1",
    ]
    kills = 0

    def states() -> int:
        return sum(1 for _ in tmp_path.glob("*/gates/*/states/*.json"))

    for _ in range(60):
        run = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if kills < 12:  # when it has published none to three more states, and a moment later
            more = rng.randrange(4)
            wanted = states() + more
            while states() < wanted and run.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.random() * (0.3 if more else 2))
            run.kill()
        out, _ = run.communicate(timeout=PATIENCE_S)
        if run.returncode == -signal.SIGKILL:
            kills += 1
            continue
        assert run.returncode == 0
        found = published(Path(json.loads(out)["run_dir"]))
        print(f"seed {SEED}: {kills} kills survived")
        assert found == published(demo_run) and kills >= 3
        return
    raise AssertionError("never got through")

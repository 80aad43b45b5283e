"""The small world under faults: built in forked processes, killed, resumed, run with planted mistakes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from power_loss import Disk, Op, Tree
from replays import Law, in_child, miniworld, replay, run

from sim.shell.publish import publish
from tests.trust.conftest import memory_directory

SEED = int(os.environ.get("CLOSEDWORLD_FAULT_SEED", "20261122"))
SOURCE = Path(publish.__file__).read_text()


@pytest.fixture(scope="module")
def sources() -> Iterator[Path]:
    """Sources of the small world, on a file system in memory where there is one."""
    with memory_directory() as folder:
        miniworld.write_world(folder)
        miniworld.build(folder, out=folder / "warm")
        yield folder


@pytest.fixture(scope="module")
def trace(sources: Path) -> tuple[list[Op], str, Tree]:
    """The trace of an undisturbed run, its run id, and its files."""
    out = fresh(sources, "trace")
    ops = in_child(lambda ops, stop: run(sources, out, ops, stop), None, sources / "trace.trace")
    return ops, next(out.iterdir()).name, files(out)


def fresh(sources: Path, name: str) -> Path:
    out = sources / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


def files(out: Path) -> Tree:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def lasting(tree: Tree) -> Tree:
    """Data and gates, without the run id they lie under."""
    return {
        path.partition("/")[2]: data
        for path, data in tree.items()
        if path.partition("/")[2].startswith(("data/", "gates/"))
    }


def final(ops: list[Op]) -> Tree:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return {path: data for path, data in disk.tree().items() if not path.endswith("/.lock")}


def planted(old: str, new: str) -> None:
    """Run publish.py with one piece of text replaced, in this (forked) process; whoever imported its
    functions gets the change too.
    """
    assert SOURCE.count(old) == 1, old
    changed: dict[str, Any] = {}
    exec(compile(SOURCE.replace(old, new), publish.__file__, "exec", dont_inherit=True), changed)
    for name, function in vars(publish).items():
        if (
            hasattr(function, "__code__")
            and function.__module__ == publish.__name__
            and not hasattr(function, "__wrapped__")
        ):
            function.__code__ = changed[name].__code__


def killed_then_resumed(
    sources: Path, kill_at: int, plant: Callable[[], None] = lambda: None
) -> tuple[list[Op], int, Path]:
    """Kill a run before its n-th call, run it again in another process: one trace of both,
    where the second begins, and the files.
    """
    out = fresh(sources, f"kill{kill_at}")

    def work(ops: list[Op], stop: Callable[[Op], None]) -> None:
        plant()
        run(sources, out, ops, stop)

    first = in_child(work, kill_at, sources / "first.trace")
    second = in_child(work, None, sources / "second.trace")
    return first + second, len(first), out


def power_after_kill(
    sources: Path, points: Iterable[int], trace: Tree, plant: Callable[[], None] = lambda: None
) -> tuple[int, list[str]]:
    """Crash states of the resumed part after a kill at each point: how many, and what is broken in them."""
    states, broken = 0, []
    for kill_at in points:
        ops, start, out = killed_then_resumed(sources, kill_at, plant)
        left = files(out)
        shutil.rmtree(out)
        if lasting(left) != lasting(trace):
            return states, [f"killed at {kill_at}: the resumed run ended with other files"]
        tally = replay(ops, Law(left, next(iter(left)).partition("/")[0]), SEED + kill_at, start=start)
        states += tally.states
        broken += [f"killed at {kill_at}: {text}" for text in tally.broken]
        if broken:
            break
    return states, broken

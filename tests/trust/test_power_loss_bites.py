"""The power-loss replayer bites: any fsync, read-back or the no-replace rename removed turns it red."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fault_world import SEED, files, fresh, lasting, planted, power_after_kill, sources, trace
from power_loss import Op, Tree
from replays import PUBLISHED, Law, in_child, replay, run

__all__ = ["trace", "sources"]

WHEN_MADE = "            directory.mkdir(mode=FOLDER_MODE)\n        fsync_directory(directory.parent)\n"
IN_ONE_RUN = {
    "sync of a file": ("            os.fsync(fd)\n        finally", "            pass\n        finally"),
    "sync of every directory": ("        os.fsync(fd)\n    finally", "        pass\n    finally"),
    "sync of a made directory's parent": (WHEN_MADE, "            directory.mkdir(mode=FOLDER_MODE)\n"),
    "sync of the renamed one's new directory": ("    fsync_directory(target.parent)\n", ""),
    "sync of the renamed one's old directory": ("    fsync_directory(source.parent)\n", ""),
    "sync of the staged directory": ("        fsync_directory(staged)\n", ""),
}
AFTER_A_KILL = {
    "sync of the deepest directory there is": (
        "        fsync_directory(path.parent)\n    for",
        "        pass\n    for",
    ),
    "settling a directory that is there": (
        "            _settle(target, staged)\n        return False",
        "            pass\n        return False",
    ),
    "settling a document that is there": ("        _settle(target, staged)\n\n", "        pass\n\n"),
    "settling what is told as proven": ("        _settle(target, source / target.name)\n", "        pass\n"),
}


@pytest.mark.promise(
    "P2",
    "Every fsync is needed: without any one of them the replayer turns red",
    faults="fsync removed",
    cases=10,
)
@pytest.mark.parametrize("name", IN_ONE_RUN)
def test_without_one_sync_power_loss_is_noticed(sources: Path, name: str) -> None:
    out = fresh(sources, "planted")

    def work(ops: list[Op], stop: Callable[[Op], None]) -> None:
        planted(*IN_ONE_RUN[name])
        run(sources, out, ops, stop)

    ops = in_child(work, None, sources / "planted.trace")
    assert ops[-1] == ("told", "run")
    tally = replay(ops, Law(files(out), next(out.iterdir()).name), SEED)
    assert tally.broken


@pytest.mark.parametrize("name", AFTER_A_KILL)
def test_without_one_sync_a_kill_and_power_loss_are_noticed(
    sources: Path, trace: tuple[list[Op], str, Tree], name: str
) -> None:
    """These syncs matter only to what another process left; the points at which that can be are just after a
    name was made.
    """
    kind = "mkdir" if "deepest" in name else "rename"
    points = [n + 1 for n, op in enumerate(op for op in trace[0] if op[0] != "told") if op[0] == kind]
    seen = [
        n
        for n in points
        if not [op for op in trace[0] if op[0] != "told"][n - 1][-1].partition("/")[2].startswith("staging")
    ]
    _, broken = power_after_kill(sources, seen, trace[2], lambda: planted(*AFTER_A_KILL[name]))
    assert broken and all(": call " in text for text in broken)


READ_BACKS = {
    "a part file": "    side_by_side(lambda name: _read_back(staged / name, files[name]), list(files))\n",
    "a document": "    _read_back(staged, sha256_bytes(data))\n",
}


def lies(sources: Path, number: int, plant: Callable[[], None]) -> tuple[Tree, list[Op]]:
    """Run with the n-th write storing zeros and saying that all is well: what is published then,
    and whether the run failed.
    """
    out = fresh(sources, "lie")

    def work(ops: list[Op], stop: Callable[[Op], None]) -> None:
        plant()
        real, calls = os.write, [0]

        def liar(fd: int, data: Any) -> int:
            calls[0] += 1
            return real(fd, bytes(len(data)) if calls[0] == number else data)

        os.write = liar
        run(sources, out, ops, stop)

    ops = in_child(work, None, sources / "lie.trace")
    return lasting(files(out)), ops


@pytest.mark.promise(
    "P11", "A write that lies is not published", faults="write stores zeros and reports success", cases=24
)
def test_no_lying_write_is_published(sources: Path, trace: tuple[list[Op], str, Tree]) -> None:
    expected, writes = lasting(trace[2]), sum(op[0] == "write" for op in trace[0])
    failed = 0
    for number in range(1, writes + 1):
        found, ops = lies(sources, number, lambda: None)
        assert {path: data for path, data in found.items() if expected.get(path) != data} == {}, number
        failed += any(op[0] == "failed" and "StorageError" in op[1] for op in ops)
    print(
        f"{writes} lying writes, {failed} noticed before publishing; the others are receipts of staging and "
        "the report"
    )
    assert failed >= 13


@pytest.mark.parametrize("kind", READ_BACKS)
def test_without_the_read_back_a_lie_is_published(
    sources: Path, trace: tuple[list[Op], str, Tree], kind: str
) -> None:
    expected, writes = lasting(trace[2]), sum(op[0] == "write" for op in trace[0])
    found = [
        lies(sources, number, lambda: planted(READ_BACKS[kind], "    pass\n"))[0]
        for number in range(1, writes + 1)
    ]
    assert any(expected.get(path) != data for tree in found for path, data in tree.items())


def raced(sources: Path, number: int, plant: Callable[[], None]) -> tuple[int, list[str]]:
    """Another writer takes each published name just before the n-th rename to one: what was replaced."""
    out = fresh(sources, "race")
    lost = sources / "lost"
    lost.unlink(missing_ok=True)

    def work(ops: list[Op], stop: Callable[[Op], None]) -> None:
        plant()
        seen = [0]

        def other(op: Op) -> None:
            if op[0] == "rename" and op[2].split("/")[1] in PUBLISHED[:3]:
                seen[0] += 1
                if seen[0] == number:
                    path = out / op[2]
                    path.mkdir() if path.name.startswith(("manifest_", "scenario_")) else path.symlink_to(
                        "/theirs"
                    )
                    lost.write_text(str(path))

        run(sources, out, ops, other)

    in_child(work, None, sources / "race.trace")
    if not lost.exists():
        return 0, []
    path = Path(lost.read_text())
    theirs = path.is_symlink() or (path.is_dir() and not list(path.iterdir()))
    return 1, [] if theirs else [str(path)]


@pytest.mark.promise(
    "P21",
    "A published name is never written again, whoever took it first",
    faults="name taken just before the rename",
    cases=12,
)
def test_a_name_taken_meanwhile_is_not_replaced(sources: Path) -> None:
    races = [raced(sources, number, lambda: None) for number in range(1, 13)]
    assert sum(count for count, _ in races) == 12 and [text for _, texts in races for text in texts] == []


def test_without_no_replace_a_name_is_taken(sources: Path) -> None:
    plant = lambda: planted("os.fsencode(target), _RENAME_NOREPLACE)", "os.fsencode(target), 0)")  # noqa: E731
    assert [text for number in range(1, 13) for text in raced(sources, number, plant)[1]]

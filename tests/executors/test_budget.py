"""How many items are in flight under a memory limit, and what the peak is measured with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.executors import LocalExecutor, MemoryBudget, MemoryLimitPassed, resident
from sim.executors.cluster import ClusterOptions
from sim.executors.dask import DaskExecutor
from sim.ground.errors import StorageError
from sim.shell.loop.publication import Publication

ROOT = Path(__file__).resolve().parents[2]


class Sized:
    """A gauge for items of known sizes: resident is `base` and what is in flight."""

    def __init__(self, base: int) -> None:
        self.now = self.top = self.ever = base

    def add(self, size: int) -> None:
        self.now += size
        self.top, self.ever = max(self.top, self.now), max(self.ever, self.now)

    def resident(self) -> int:
        return self.now

    def peak(self) -> int:
        return self.top

    def highest(self) -> int:
        return self.ever

    def mark(self) -> None:
        self.top = self.now

    def give_back(self) -> None:
        """Nothing was kept."""


def flights(limit: int, sizes: list[int], workers: int, base: int = 100) -> list[int]:
    """Most items in flight as each ends, when as many as allowed always are, and the oldest ends first."""
    gauge = Sized(base)
    budget = MemoryBudget(limit, gauge)
    budget.begin()
    flying: list[int] = []
    counts, waiting = [], list(sizes)
    while waiting or flying:
        while waiting and len(flying) < budget.allowed(workers):
            flying.append(waiting.pop(0))
            gauge.add(flying[-1])
            budget.began(len(flying))
        counts.append(len(flying))
        gauge.add(-flying.pop(0))
        budget.ended("item", len(flying))
    return counts


def test_the_first_is_alone_then_as_many_as_fit_with_a_quarter_to_spare() -> None:
    assert flights(10_000, [100] * 12, 4) == [1, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2, 1]
    for limit, most in {225: 1, 349: 1, 350: 2, 474: 2, 475: 3, 10_000: 8}.items():
        assert max(flights(limit, [100] * 40, 8)) == most, limit


def test_the_number_sinks_when_items_turn_out_larger() -> None:
    counts = flights(1_000, [80] * 20 + [110] * 40, 8)
    assert max(counts) == 8
    assert counts[35:55] == [6] * 20  # 100 + 6 x 110 x 5/4 <= 1000
    tiny_first = flights(1_000, [5] + [200] * 30, 16)
    assert max(tiny_first) == 3 and tiny_first[0] == 1


def test_the_number_never_depends_on_what_other_work_took() -> None:
    gauge = Sized(100)
    budget = MemoryBudget(10_000, gauge)
    for size in (5_000, 10):
        budget.begin()
        assert budget.allowed(8) == 1
        gauge.add(size)
        budget.began(1)
        gauge.add(-size)
        budget.ended("item", 0)
    assert budget.allowed(8) == 2


@pytest.mark.parametrize(("sizes", "together"), [([901], 1), ([10] * 30 + [300] * 30, 8)])
def test_a_peak_above_the_limit_is_refused_whatever_was_expected(sizes: list[int], together: int) -> None:
    with pytest.raises(MemoryLimitPassed) as passed:
        flights(1_000, sizes, 8)
    assert passed.value.together == together and passed.value.limit == 1_000 < passed.value.peak


def test_a_peak_outside_items_is_refused_too() -> None:
    gauge = Sized(100)
    budget = MemoryBudget(1_000, gauge)
    budget.hold()
    gauge.add(901)
    gauge.add(-901)
    gauge.mark()
    with pytest.raises(MemoryLimitPassed) as passed:
        budget.hold()
    assert (passed.value.item, passed.value.together, passed.value.peak) == (None, 0, 1_001)


@pytest.mark.parametrize("when", ["begin", "passed", "ended"])
def test_what_a_run_does_outside_its_states_is_held_against_the_limit(
    root: Path, tmp_path: Path, when: str
) -> None:
    import miniworld

    gauge = Sized(100)

    def greedy(*arguments: object) -> None:
        gauge.add(901)
        gauge.add(-901)

    publication = Publication()
    setattr(publication, when, greedy)
    with pytest.raises(StorageError) as refused:
        miniworld.build(root, tmp_path, memory=MemoryBudget(1_000, gauge), publication=publication)
    assert refused.value.code == "SHELL.MEMORY_LIMIT_PASSED"
    assert (refused.value.found, refused.value.expected) == (
        "1,001 bytes resident at the highest",
        "at most 1,000 bytes",
    )
    assert miniworld.build(root, tmp_path).bundles


def test_executors_say_how_many_they_compute_at_once() -> None:
    assert LocalExecutor(3).threads == 3
    assert DaskExecutor(ClusterOptions(3)).threads == 3
    assert DaskExecutor(ClusterOptions(None, gpus=True)).threads == 0
    assert DaskExecutor(ClusterOptions(3, scheduler="tcp://head:8786")).threads == 0
    assert DaskExecutor(ClusterOptions(3, scheduler_file=Path("scheduler.json"))).threads == 0


HUNGRY = """
import json, sys, time
from sim.executors.allocator import keep_freed_memory
keep_freed_memory()
import numpy as np
from sim.executors import MemoryBudget, resident, run_local
MIB = 1 << 20

def work(item):
    held = np.ones(int(sys.argv[1]) * MIB, np.uint8)
    time.sleep(0.05)
    return int(held[item])

list(run_local(work, range(8), 4))  # the process is as large as it gets
found = []
for room in map(int, sys.argv[2:]):
    resident.give_back()
    resident.mark()
    resident._highest = 0
    budget = MemoryBudget(resident.resident() + room * MIB)
    results = sorted(run_local(work, range(24), 8, budget))
    assert results == [(item, 1) for item in range(24)]
    found.append((budget.most, resident.highest() <= budget.limit))
print(json.dumps(found))
"""


def test_real_memory_of_a_real_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY, "40", "70", "130", "270", "600"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert [within for _, within in found] == [True] * 4
    assert [most for most, _ in found] == [1, 2, 5, 8]


def test_peaks_are_of_this_process_and_survive_marks() -> None:
    program = (
        "from sim.executors import resident\nimport sys\n"
        "start = resident.highest(); block = bytearray(b'x') * (64 << 20); del block\n"
        "ever = resident.highest(); resident.mark()\n"
        "assert resident.peak() < ever - (50 << 20) and resident.highest() >= ever\n"
        "print(start, ever)"
    )
    ballast = bytearray(b"x") * (256 << 20)  # the child's ru_maxrss would begin here
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    start, ever = map(int, done.stdout.split())
    assert len(ballast) > start and (60 << 20) < ever - start < (80 << 20)


def test_where_linux_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resident, "_STATUS", tmp_path / "none")
    assert not resident.measurable()
    assert resident.highest() > 1 << 20
    monkeypatch.undo()
    monkeypatch.setattr(resident, "_CLEAR", tmp_path / "none" / "none")
    assert not resident.measurable()

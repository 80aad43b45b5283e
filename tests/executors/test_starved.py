"""Items that memory runs out for, beside others and alone; threads that cannot be started."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

from sim.executors import MemoryBudget, OutOfMemory, run_local

P13 = "memory ran out beside others: the partition is computed once more, alone"


class Crowd:
    """A function for items that needs its thread to itself where told so."""

    def __init__(self, alone: set[int], never: set[int] | None = None) -> None:
        self.alone, self.never = alone, never or set()
        self.lock, self.here = threading.Lock(), 0
        self.calls: list[tuple[int, int]] = []

    def __call__(self, item: int) -> int:
        with self.lock:
            self.here += 1
            here = self.here
            self.calls.append((item, here))
        try:
            time.sleep(0.03)
            with self.lock:
                here = max(here, self.here)
            if item in self.never or (item in self.alone and here > 1):
                raise MemoryError(f"item {item}")
            return item * item
        finally:
            with self.lock:
                self.here -= 1


@pytest.mark.promise("P13", P13, faults="MemoryError while others are in flight", cases=12)
@pytest.mark.parametrize("budget", [None, MemoryBudget(1 << 40)])
@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("alone", [{0, 1}, {3, 7, 8, 19}])
def test_what_starves_beside_others_is_computed_alone(
    alone: set[int], workers: int, budget: MemoryBudget | None
) -> None:
    crowd = Crowd(alone)
    found = list(run_local(crowd, range(20), workers, budget))
    assert sorted(found) == [(item, item * item) for item in range(20)]
    again = [item for item, _ in crowd.calls]
    repeated = {item for item in again if again.count(item) == 2}
    assert repeated <= alone and len(again) == 20 + len(repeated)
    assert budget is not None or repeated


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_starves_alone_is_refused_and_nothing_new_begins(workers: int) -> None:
    crowd = Crowd(set(), {5})
    done = []
    with pytest.raises(OutOfMemory) as refused:
        for item, _ in run_local(crowd, range(40), workers):
            done.append(item)
    assert (refused.value.item, refused.value.found) == (5, "item 5")
    assert crowd.calls[-1] == (5, 1)
    assert sorted([*done, 5]) == sorted({item for item, _ in crowd.calls}) and len(done) < 5 + 2 * workers


def test_a_single_item_is_not_tried_twice() -> None:
    crowd = Crowd(set(), {0})
    with pytest.raises(OutOfMemory):
        list(run_local(crowd, [0], 4))
    assert len(crowd.calls) == 1


def test_what_the_failed_attempt_held_is_gone_before_the_next() -> None:
    class Block:
        """Stands for some hundred MB."""

    held: list[weakref.ref[Block]] = []
    meet = threading.Barrier(2)

    def work(item: int) -> int:
        if item == 1 and held:
            assert held[0]() is None
            return item
        if item < 2:
            meet.wait(10)
        if item == 1:
            block = Block()
            held.append(weakref.ref(block))
            raise MemoryError
        return item

    assert sorted(run_local(work, range(4), 2)) == [(item, item) for item in range(4)]


@pytest.mark.promise(
    "P13",
    "threads that cannot be started: the work goes on with those there are",
    faults="Thread.start fails",
    cases=4,
)
@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_threads_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    real, started = threading.Thread.start, []

    def start(self: threading.Thread) -> None:
        if len(started) == threads:
            raise RuntimeError("can't start new thread")
        started.append(self)
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    crowd = Crowd(set())
    assert sorted(run_local(crowd, range(20), 4)) == [(item, item * item) for item in range(20)]
    assert max(here for _, here in crowd.calls) == max(1, threads) and len(crowd.calls) == 20


def test_an_error_waits_for_the_others_and_starts_nothing() -> None:
    ended: list[int] = []

    def work(item: int) -> int:
        if item == 1:
            raise ZeroDivisionError
        time.sleep(0.1)
        ended.append(item)
        return item

    with pytest.raises(ZeroDivisionError):
        list(run_local(work, range(10), 3))
    assert sorted(ended) == [0, 2]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("partition")]

"""Many items at once look from outside like a loop over them."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.executors.side_by_side import side_by_side
from tests.work import PATIENCE_S


@given(st.lists(st.integers(0, 9), max_size=60), st.sets(st.integers(0, 9), max_size=3))
def test_results_and_failures_are_a_loops(items, bad):
    def work(item):
        if item in bad:
            raise ValueError(item)
        return item * item

    def outcome(call):
        try:
            return call()
        except ValueError as error:
            return error.args

    assert outcome(lambda: side_by_side(work, items)) == outcome(lambda: [work(item) for item in items])


def test_several_are_under_way_where_there_are_processors(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    together = threading.Barrier(3, timeout=PATIENCE_S)
    assert side_by_side(lambda item: (together.wait(), item)[1], [5, 6, 7]) == [5, 6, 7]


def test_nothing_far_behind_a_failure_is_begun(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    begun = []

    def work(item):
        begun.append(item)
        raise OSError(item)

    with pytest.raises(OSError, match="0"):
        side_by_side(work, range(100))
    assert begun == [0]


def test_what_does_not_fit_beside_others_is_tried_alone_and_then_refused(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    lock = threading.Lock()

    def greedy(item):
        if not lock.acquire(blocking=False):
            raise MemoryError("no room beside another")
        try:
            threading.Event().wait(0.001)
            return item
        finally:
            lock.release()

    assert side_by_side(greedy, range(20)) == list(range(20))

    def never(item):
        raise MemoryError("no room at all")

    with pytest.raises(MemoryError, match="no room at all"):
        side_by_side(never, range(3))

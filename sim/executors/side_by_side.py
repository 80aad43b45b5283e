"""Run one function over many files in parallel; hashing and reading release the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from sim.executors import OutOfMemory, run_local

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, on as many threads as this process has processors for (or as can be started).

    Returns:
        Results in the order of the items.

    Raises:
        MemoryError: Memory ran out with one item alone under way.
        Exception: What a loop over the items would have raised: the failure of the first that fails.
    """
    failures: list[tuple[int, Exception]] = []
    results: dict[int, Result] = {}

    def attempt(place: int) -> None:
        if any(failed < place for failed, _ in failures):
            return
        try:
            results[place] = function(items[place])
        except MemoryError:
            raise  # may go better with less beside it
        except Exception as error:
            failures.append((place, error))

    try:
        for _ in run_local(attempt, range(len(items)), max(1, min(len(items), len(os.sched_getaffinity(0))))):
            pass
    except OutOfMemory as lost:
        raise MemoryError(lost.found) from lost
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]
    return [results[place] for place in range(len(items))]

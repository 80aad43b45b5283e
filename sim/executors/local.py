"""Threads on this machine: kernels, hashing and Parquet encoding release the GIL.

At most `workers` partitions are in flight, or as many as a memory limit has room for, so memory is bounded by
their number times the largest partition. One that runs out of memory beside others is computed once more when
they have come to rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from sim.executors import resident
from sim.executors.budget import MemoryBudget
from sim.executors.crew import Crew
from sim.executors.protocol import Item, OutOfMemory, Result, Work


def run_local(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    budget: MemoryBudget | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Apply `function` to every item on `workers` threads.

    Args:
        function: What to do with an item. It may be called twice for one that ran out of memory.
        items: Work; consumed lazily, in order.
        workers: Threads; 1 runs in the calling thread.
        budget: What bounds how many run at once besides; None for nothing.

    Yields:
        (item, result) as results become available, in no promised order.

    Raises:
        OutOfMemory: An item ran out of memory with no other beside it.
        MemoryLimitPassed: The process took more than the budget's limit.
        Exception: The first failure, after running partitions have come to rest; nothing new is started after
            it.
    """
    waiting = iter(items)
    ahead: deque[Item] = deque()  # taken from `items` and not begun
    starved: deque[Item] = deque()  # ran out of memory beside others
    if budget is not None:
        budget.begin()
    with Crew(function) as crew:
        while True:
            most = workers if budget is None else budget.allowed(workers)
            while most > 1 and crew.flying < most and not starved and (ahead or _fetch(waiting, ahead)):
                if not crew.give(ahead[0]):
                    workers = max(1, crew.flying)
                    break
                ahead.popleft()
                if budget is not None:
                    budget.began(crew.flying)
            if crew.flying:
                ended = crew.take()
                if isinstance(ended.error, MemoryError) and ended.company:
                    starved.append(ended.item)
                    workers = max(1, workers // 2)
                elif isinstance(ended.error, MemoryError):
                    raise OutOfMemory(ended.item, str(ended.error)) from ended.error
                elif ended.error is not None:
                    raise ended.error
                else:
                    if budget is not None:
                        budget.ended(ended.item, crew.flying)
                    yield ended.item, ended.results[0]
                del ended  # an error holds the frames it went through, and what they held
                continue
            if starved:
                resident.give_back()
                item = starved.popleft()
            elif ahead or _fetch(waiting, ahead):
                item = ahead.popleft()
            else:
                return
            if budget is not None:
                budget.began(1)
            try:
                result = function(item)
            except MemoryError as error:
                raise OutOfMemory(item, str(error)) from error
            if budget is not None:
                budget.ended(item, 0)
            yield item, result


def _fetch(waiting: Iterator[Item], ahead: deque[Item]) -> bool:
    for item in waiting:
        ahead.append(item)
        return True
    return False


class LocalExecutor:
    """Threads of this process.

    Args:
        workers: How many; 1 works in the calling thread.
        budget: Memory limit that bounds how many work at once, or None.
    """

    name = "local"

    def __init__(self, workers: int, budget: MemoryBudget | None = None) -> None:
        self.threads, self._budget = workers, budget

    def map(self, work: Work[Item, Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """See `run_local`."""
        return run_local(work.here, items, self.threads, self._budget)

    def close(self) -> None:
        """Nothing outlives `map`."""

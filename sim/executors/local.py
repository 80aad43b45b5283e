"""Threads on this machine: kernels, hashing and Parquet encoding release the GIL.

At most `workers` partitions are in flight, so memory is bounded by workers times the largest partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from sim.executors.protocol import Item, Result, Work


def run_local(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Apply `function` to every item on `workers` threads.

    Args:
        function: What to do with an item.
        items: Work; consumed lazily, in order.
        workers: Threads; 1 runs in the calling thread.

    Yields:
        (item, result) as results become available, in no promised order.

    Raises:
        Exception: The first failure, after running partitions have come to rest; nothing new is started after it.
    """
    if workers <= 1:
        for item in items:
            yield item, function(item)
        return
    queue = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="partition") as pool:
        flying: dict[Future[Result], Item] = {pool.submit(function, item): item for item in islice(queue, workers)}
        while flying:
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                item = flying.pop(future)
                result = future.result()
                for following in islice(queue, 1):
                    flying[pool.submit(function, following)] = following
                yield item, result


class LocalExecutor:
    """Threads of this process.

    Args:
        workers: How many; 1 works in the calling thread.
    """

    name = "local"

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, work: Work[Item, Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """See `run_local`."""
        return run_local(work.here, items, self._workers)

    def close(self) -> None:
        """Nothing outlives `map`."""

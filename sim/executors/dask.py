"""Processes of a dask cluster: a cluster on this machine for the length of a run, or an existing one.

Work goes out as text and comes back as text (see `protocol.Work`): dask sees a function by name and one
string a task. At most two tasks a worker thread are with the scheduler at a time, whatever the number of
items, so a million partitions cost it nothing. dask itself retries a task whose worker died; everything a run
needs to survive more than that is in its directory.
"""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic

from sim.executors.cluster import DEATHS, Cluster, ClusterOptions
from sim.executors.protocol import ClusterLost, Item, Result, Transient, Work, WorkLost

TRIES = 3
"""So many attempts at an item may end with a transient failure."""
_TICK = 0.5


@dataclass
class _Flight(Generic[Item]):
    """An item under way: its future, and how many attempts failed."""

    item: Item
    future: Any
    tries: int


class DaskExecutor:
    """A dask cluster, reached or started when the first work comes.

    Args:
        options: Which cluster.
    """

    name = "dask"

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._cluster: Cluster | None = None
        self._asked, self._known = float("-inf"), 1

    @property
    def threads(self) -> int:
        """Of workers started here.

        This executor sets the size neither of an existing cluster nor of one worker a GPU.
        """
        given = self._options
        return 0 if given.scheduler or given.scheduler_file else given.workers or 0

    def map(self, work: Work[Item, Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Do the work on every item; (item, result) come as they become available.

        Raises:
            ExecutorUnavailable: `distributed` is not installed, or there is no scheduler.
            ClusterLost: The scheduler, or all workers for longer than `patience`, went away.
            WorkLost: An item's workers died again and again.
            Exception: What `work.receive` raises.
        """
        todo: deque[tuple[Item, int]] = deque()
        waiting = iter(items)
        flying: dict[str, _Flight[Item]] = {}
        landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client = None
        try:
            while True:
                slots = self._slots() if client is not None else 1
                while len(flying) < slots:
                    following = todo.popleft() if todo else next(((item, 0) for item in waiting), None)
                    if following is None:
                        break
                    client = client or self._client()
                    item, tries = following
                    key = f"closedworld-{work.name(item)}-{uuid.uuid4().hex}"
                    with self._cluster_errors():
                        future = client.submit(work.remote(), work.send(item), key=key, pure=False)
                        future.add_done_callback(landed.put)
                    flying[key] = _Flight(item, future, tries)
                if not flying:
                    return
                for future in self._landed(landed):
                    flight = flying.pop(future.key, None)
                    if flight is None:
                        continue
                    try:
                        yield flight.item, self._result(work, flight)
                    except Transient as failed:
                        if flight.tries + 1 >= TRIES:
                            raise failed.error from None
                        todo.append((flight.item, flight.tries + 1))
        finally:
            if client is not None and flying:
                with contextlib.suppress(Exception):
                    client.cancel([flight.future for flight in flying.values()], force=True)

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None

    def _result(self, work: Work[Item, Result], flight: _Flight[Item]) -> Result:
        from distributed import KilledWorker

        future = flight.future
        with self._cluster_errors():
            error = future.exception() if future.status == "error" else None
            text = future.result() if future.status == "finished" else ""
        if isinstance(error, KilledWorker):
            # Everything that waited on a worker is suspected when it dies; only what it had begun is to
            # blame.
            deaths = work.unanswered(flight.item)
            if deaths >= DEATHS:
                raise WorkLost(work.name(flight.item), deaths)
            raise Transient(WorkLost(work.name(flight.item), DEATHS))
        if error is not None:
            raise ClusterLost(f"a worker could not take its task: {type(error).__name__}: {error}")
        if future.status != "finished":
            raise ClusterLost(f"the scheduler dropped {work.name(flight.item)} ({future.status})")
        return work.receive(flight.item, text)

    def _landed(self, landed: queue.SimpleQueue[Any]) -> Iterator[Any]:
        """The next futures that are done, at least one; meanwhile watch the cluster."""
        alone_since = None
        while True:
            with contextlib.suppress(queue.Empty):
                yield landed.get(timeout=_TICK)
                break
            if self._client().status != "running":
                raise ClusterLost("the scheduler does not answer any more")
            if self._threads():
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > self._options.patience:
                raise ClusterLost(f"no worker has been connected for {self._options.patience:.0f} s")
        with contextlib.suppress(queue.Empty):
            while True:
                yield landed.get_nowait()

    def _slots(self) -> int:
        """How many items may be under way: two for each worker thread.

        The number of threads is looked up every two seconds, because clusters grow and shrink.
        """
        now = time.monotonic()
        if now - self._asked > 2.0:
            self._asked, self._known = now, max(1, 2 * self._threads())
        return self._known

    def _threads(self) -> int:
        """Worker threads there are now."""
        with self._cluster_errors():
            return sum(self._client().nthreads().values())

    @contextlib.contextmanager
    def _cluster_errors(self) -> Iterator[None]:
        from distributed import CancelledError
        from distributed.comm import CommClosedError

        try:
            yield
        except (CommClosedError, CancelledError, OSError, TimeoutError) as error:
            raise ClusterLost(f"{type(error).__name__}: {error}") from error

    def _client(self) -> Any:
        if self._cluster is None:
            self._cluster = Cluster(self._options)
        return self._cluster.client

"""Processes of a dask cluster: one on this machine that lives as long as the run, or any that is there already.

Work goes out as text and comes back as text (see `protocol.Work`): dask sees a function by name and one string a task. At
most two tasks a worker thread are with the scheduler at a time, whatever the number of items, so a million partitions cost
it nothing. dask itself retries a task whose worker died; everything a run needs to survive more than that is in its
directory. Everything started here listens on 127.0.0.1 only, and without a dashboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import shutil
import signal
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Generic

from sim.executors.protocol import ClusterLost, ExecutorUnavailable, Item, Result, Transient, Work, WorkLost

LOOPBACK = "127.0.0.1"
DEATHS = 3
"""So many workers may die over one item before it is given up (a scheduler that was there already has its own limit)."""
TRIES = 3
"""So many attempts at an item may end with a transient failure."""
_TICK = 0.5


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster to work on.

    Attributes:
        workers: Processes to start, one thread each; of no meaning for a cluster that is there already.
        scheduler: Address of a running scheduler, e.g. `tls://head:8786`; None starts a cluster here.
        scheduler_file: File in which a running scheduler left its address, or None.
        tls: Paths of CA certificate, certificate and key (PEM), or None. With them nothing is sent in the clear.
        gpus: Whether workers get one GPU each.
        patience: Seconds to wait for a scheduler to answer, and for a worker to turn up when there is none.
    """

    workers: int = 1
    scheduler: str | None = None
    scheduler_file: Path | None = None
    tls: tuple[Path, Path, Path] | None = None
    gpus: bool = False
    patience: float = 30.0


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
        self._client: Any = None
        self._cluster: Any = None
        self._scratch: str | None = None
        self._asked, self._known = float("-inf"), 1

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
                    client = client or self._connected()
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
        with contextlib.suppress(Exception):
            if self._client is not None:
                self._client.close(timeout=2)
        with contextlib.suppress(Exception):
            if self._cluster is not None:
                self._cluster.close(timeout=5)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._client = self._cluster = self._scratch = None

    def _result(self, work: Work[Item, Result], flight: _Flight[Item]) -> Result:
        from distributed import KilledWorker

        future = flight.future
        with self._cluster_errors():
            error = future.exception() if future.status == "error" else None
            text = future.result() if future.status == "finished" else ""
        if isinstance(error, KilledWorker):
            # Everything that waited on a worker is suspected when it dies; only what it had begun is to blame.
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
            if self._client.status != "running":
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
        """How many items may be under way: two a thread, asked for now and then, since clusters grow and shrink."""
        now = time.monotonic()
        if now - self._asked > 2.0:
            self._asked, self._known = now, max(1, 2 * self._threads())
        return self._known

    def _threads(self) -> int:
        """Worker threads there are now."""
        with self._cluster_errors():
            return sum(self._client.nthreads().values())

    @contextlib.contextmanager
    def _cluster_errors(self) -> Iterator[None]:
        from distributed import CancelledError
        from distributed.comm import CommClosedError

        try:
            yield
        except (CommClosedError, CancelledError, OSError, TimeoutError) as error:
            raise ClusterLost(f"{type(error).__name__}: {error}") from error

    def _connected(self) -> Any:
        if self._client is None:
            try:
                import distributed
            except ImportError as error:
                raise ExecutorUnavailable("the package `distributed` is not installed: pip install 'closedworld[dask]'") from error
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            security = self._security(distributed)
            try:
                address = self._address()
                if address is None:
                    with _deaf_to_interrupts():
                        self._cluster = self._started(distributed, security)
                else:
                    asyncio.run(self._knock(address, security))  # a client that fails to connect cannot be put away cleanly
                self._client = distributed.Client(address or self._cluster, security=security, set_as_default=False)
            except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
                self.close()
                raise ExecutorUnavailable(f"no scheduler at {address or LOOPBACK}: {type(error).__name__}: {error}") from error
        return self._client

    def _address(self) -> str | None:
        if self._options.scheduler_file is not None:
            return str(json.loads(self._options.scheduler_file.read_text())["address"])
        return self._options.scheduler

    async def _knock(self, address: str, security: Any) -> None:
        from distributed.comm import connect

        how = {} if security is None else security.get_connection_args("client")
        comm = await connect(address, timeout=self._options.patience, **how)
        await comm.close()

    def _security(self, distributed: Any) -> Any:
        if self._options.tls is None:
            return None
        ca, certificate, key = map(str, self._options.tls)
        roles = ("client", "scheduler", "worker")
        pairs = {f"tls_{role}_{part}": path for role in roles for part, path in (("cert", certificate), ("key", key))}
        return distributed.Security(tls_ca_file=ca, require_encryption=True, **pairs)

    def _started(self, distributed: Any, security: Any) -> Any:
        self._scratch = tempfile.mkdtemp(prefix="closedworld-dask-")  # 0700
        common = {"threads_per_worker": 1, "local_directory": self._scratch, "dashboard_address": None}
        common |= {"protocol": "tls" if security else "tcp"}
        if self._options.gpus:
            # One worker a GPU with its cores; dask-cuda sets CUDA_VISIBLE_DEVICES for each. Needs a GPU node to be tried.
            from dask_cuda import LocalCUDACluster

            return LocalCUDACluster(n_workers=self._options.workers, security=security, **common)
        return distributed.LocalCluster(
            n_workers=self._options.workers,
            host=LOOPBACK,
            security=security,
            memory_limit=0,  # results are a few bytes; what a partition needs is not dask's to judge
            scheduler_kwargs={"allowed_failures": DEATHS - 1, "dashboard": False, "dashboard_address": f"{LOOPBACK}:0"},
            silence_logs=logging.CRITICAL,
            **common,
        )


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Threads and processes begun meanwhile, and what they begin later, never see Ctrl-C: the driver alone answers it and ends them."""
    resource_tracker.ensure_running()  # it would unblock the signal for the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

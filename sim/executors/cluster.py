"""A dask cluster, joined or started: addresses, certificates, and the options of workers that we start.

Everything started here listens on 127.0.0.1 only, without a dashboard. dask has no passwords: any program
that can reach a scheduler's port can run code as its user, unless TLS requires a certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from sim.executors.protocol import ExecutorUnavailable
from sim.ground.plain_file import read_plain

LOOPBACK = "127.0.0.1"
DEATHS = 3
"""So many workers may die over one item before it is given up (a scheduler that was there already has its own
limit).
"""


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster to work on.

    Attributes:
        workers: Processes to start, one thread each; None for one a GPU. Of no meaning for a cluster that is
            there already.
        scheduler: Address of a running scheduler, e.g. `tls://head:8786`; None starts a cluster here.
        scheduler_file: File in which a running scheduler left its address, or None.
        tls: Paths of CA certificate, certificate and key (PEM), or None. With them nothing is sent in the
            clear.
        gpus: Whether workers get one GPU each.
        patience: Seconds to wait for a scheduler to answer, and for a first worker to connect.
    """

    workers: int | None = 1
    scheduler: str | None = None
    scheduler_file: Path | None = None
    tls: tuple[Path, Path, Path] | None = None
    gpus: bool = False
    patience: float = 30.0


class Cluster:
    """A connection to a scheduler, and the cluster behind it if it was started here.

    Args:
        options: Which cluster.

    Attributes:
        client: The `distributed.Client`.

    Raises:
        ExecutorUnavailable: A package is missing, or no scheduler answers.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._cluster: Any = None
        self._scratch: str | None = None
        self.client: Any = None
        try:
            import distributed
        except ImportError as error:
            raise ExecutorUnavailable(
                "the package `distributed` is not installed: pip install 'closedworld[dask]'"
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        at = options.scheduler_file or options.scheduler or "this machine"
        try:
            security = self._security(distributed)
            address = self._address()
            if address is None:
                with _deaf_to_interrupts():
                    self._cluster = self._started(distributed, security)
            else:
                # a client that fails to connect cannot be put away cleanly
                asyncio.run(self._knock(address, security))
            self.client = distributed.Client(
                address or self._cluster, security=security, set_as_default=False
            )
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | TimeoutError | TypeError | ValueError | RuntimeError):
                raise ExecutorUnavailable(f"no scheduler at {at}: {type(error).__name__}: {error}") from error
            raise

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        for what, seconds in ((self.client, 2), (self._cluster, 5)):
            with contextlib.suppress(Exception):
                if what is not None:
                    what.close(timeout=seconds)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _address(self) -> str | None:
        if self._options.scheduler_file is not None:
            return str(json.loads(read_plain(self._options.scheduler_file, 1 << 20))["address"])
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
        pairs = {
            f"tls_{role}_{part}": path
            for role in roles
            for part, path in (("cert", certificate), ("key", key))
        }
        return distributed.Security(tls_ca_file=ca, require_encryption=True, **pairs)

    def _started(self, distributed: Any, security: Any) -> Any:
        import dask

        self._scratch = tempfile.mkdtemp(prefix="closedworld-dask-")  # 0700
        common = {"threads_per_worker": 1, "local_directory": self._scratch, "dashboard_address": None}
        common |= {"protocol": "tls" if security else "tcp"}
        # dask has the allocator give memory back at once, which costs a page fault for every array a
        # partition makes, and looks at every worker's stack a hundred times a second.
        lean = {
            "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
            "distributed.worker.profile.enabled": False,
        }
        with dask.config.set(lean):
            if self._options.gpus:
                return self._one_worker_a_gpu({**common, **({"security": security} if security else {})})
            return distributed.LocalCluster(
                n_workers=self._options.workers,
                host=LOOPBACK,
                security=security,
                memory_limit=0,  # results are a few bytes; what a partition needs is not dask's to judge
                scheduler_kwargs={
                    "allowed_failures": DEATHS - 1,
                    "dashboard": False,
                    "dashboard_address": f"{LOOPBACK}:0",
                },
                silence_logs=logging.CRITICAL,
                **common,
            )

    def _one_worker_a_gpu(self, common: dict[str, Any]) -> Any:
        """dask-cuda gives each worker its GPU (CUDA_VISIBLE_DEVICES) and that GPU's cores.

        Not tried without a GPU node.
        """
        try:
            from dask_cuda import LocalCUDACluster
        except ImportError as error:
            raise ExecutorUnavailable(
                "the package `dask-cuda` is not installed: pip install 'dask-cuda[cu13]'"
            ) from error
        return LocalCUDACluster(n_workers=self._options.workers, **common)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Threads and processes started in this block, and their children, never see Ctrl-C or a hang-up.

    Only the driver reacts to these signals, and it ends the workers.
    """
    resource_tracker.ensure_running()  # it would unblock the signal for the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

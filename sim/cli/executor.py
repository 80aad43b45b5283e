"""The options of `closedworld run` that say who computes partitions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import default_workers

if TYPE_CHECKING:
    from sim.executors import Executor, MemoryBudget

ExecutorOption = Annotated[
    str, typer.Option(help="local (threads) or dask (processes of this machine, or of a cluster).")
]
SchedulerOption = Annotated[
    str | None, typer.Option(help="With dask: address of a running scheduler, e.g. tls://head:8786.")
]
SchedulerFileOption = Annotated[
    Path | None, typer.Option(help="With dask: file a running scheduler left its address in.")
]
TlsCaOption = Annotated[
    Path | None, typer.Option("--tls-ca-file", help="With dask: CA certificate (PEM); needs the other two.")
]
TlsCertOption = Annotated[Path | None, typer.Option("--tls-cert", help="With dask: certificate (PEM).")]
TlsKeyOption = Annotated[
    Path | None, typer.Option("--tls-key", help="With dask: key of the certificate (PEM).")
]


@contextlib.contextmanager
def executor_named(
    name: str,
    workers: int | None,
    budget: MemoryBudget | None,
    gpus: bool,
    scheduler: str | None,
    scheduler_file: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> Iterator[Executor]:
    """The executor the options ask for, closed at the end whatever happens.

    Raises:
        UsageError: If they do not fit together.
    """
    from sim.executors import LocalExecutor
    from sim.ground.errors import UsageError

    given = {"--scheduler": scheduler, "--scheduler-file": scheduler_file}
    given |= {"--tls-ca-file": tls_ca, "--tls-cert": tls_cert, "--tls-key": tls_key}
    used = [option for option, value in given.items() if value is not None]
    if name not in ("local", "dask"):
        raise UsageError(
            "SHELL.UNKNOWN_EXECUTOR", f"there is no executor called {name!r}", expected="local, dask"
        )
    if name == "local":
        if used:
            raise UsageError(
                "SHELL.USAGE", f"{', '.join(used)} without a cluster", expected="--executor dask"
            )
        yield LocalExecutor(workers or default_workers(), budget)
        return
    if scheduler and scheduler_file:
        raise UsageError(
            "SHELL.USAGE", "--scheduler and --scheduler-file both name a scheduler", expected="one of them"
        )
    missing = [
        path
        for path in (scheduler_file, tls_ca, tls_cert, tls_key)
        if path is not None and not path.is_file()
    ]
    if missing:
        raise UsageError(
            "SHELL.FILE_NOT_FOUND",
            "a file the cluster options name is not there",
            found=", ".join(map(str, missing)),
        )
    tls = (tls_ca, tls_cert, tls_key)
    if scheduler and scheduler.startswith("tls:") and not any(tls):
        raise UsageError(
            "SHELL.USAGE",
            "a scheduler that asks for certificates, and none given",
            expected="the three --tls options",
        )
    if any(tls) and not all(tls):
        raise UsageError(
            "SHELL.USAGE",
            "half a set of TLS files",
            found=", ".join(used),
            expected="--tls-ca-file, --tls-cert, --tls-key",
        )
    from sim.executors.cluster import ClusterOptions
    from sim.executors.dask import DaskExecutor

    chosen = (tls_ca, tls_cert, tls_key) if tls_ca and tls_cert and tls_key else None
    executor = DaskExecutor(
        ClusterOptions(
            workers or (None if gpus else default_workers()), scheduler, scheduler_file, chosen, gpus
        )
    )
    try:
        yield executor
    finally:
        executor.close()

"""`--memory-limit` of `closedworld run`: sizes as people write them, and the budget made of one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sim.executors import MemoryBudget

MemoryLimitOption = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help=(
            "Resident memory (the host's) this process may take, e.g. 1GiB: bounds the partitions in "
            "flight. Not with dask."
        ),
    ),
]

_UNITS = {"B": 1, **{f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)}}
_UNITS |= {f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", 1)}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Z]*)", re.IGNORECASE | re.ASCII)
_MOST = 2**63 - 1


def parse_size(text: str) -> int:
    """Bytes of a size: a whole number of bytes, or a decimal number with a unit.

    Units are kB, MB, GB, TB; KiB, MiB, GiB, TiB.

    Raises:
        UsageError: `SHELL.SIZE_INVALID`.
    """
    from sim.ground.errors import UsageError

    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper() or "B") if match else None
    size = Decimal(match[1]) * unit if match and unit else Decimal(0)
    if not 1 <= size <= _MOST or (unit == 1 and size != int(size)):
        raise UsageError(
            "SHELL.SIZE_INVALID",
            "a size cannot be read",
            found=text[:100],
            expected="bytes, or a number with a unit: 800MiB, 1.5GiB, 2GB",
        )
    return int(size)


def memory_budget(limit: str | None, executor: str) -> MemoryBudget | None:
    """The budget `--memory-limit` asks for; to be made once everything is imported.

    Raises:
        UsageError: It cannot be read, or kept here.
    """
    if limit is None:
        return None
    from sim.executors import MemoryBudget, resident
    from sim.executors.allocator import grow_by_need
    from sim.ground.errors import UsageError

    size = parse_size(limit)
    if executor == "dask":
        raise UsageError(
            "SHELL.USAGE",
            "--memory-limit bounds threads of this process, and --executor dask computes in others",
            expected="--executor local",
            do=(
                "bound workers by their number (--workers), or where they are started: dask worker "
                "--memory-limit, a cgroup"
            ),
        )
    if not resident.measurable():
        raise UsageError(
            "SHELL.MEMORY_LIMIT_UNAVAILABLE",
            "--memory-limit cannot be kept here: the system does not tell a process its peak memory",
            expected="Linux with /proc/self/clear_refs and VmHWM in /proc/self/status",
            do="bound memory by --workers: partitions in flight are never more",
        )
    taken = resident.highest()
    if taken >= size:
        raise UsageError(
            "SHELL.MEMORY_LIMIT_TOO_SMALL",
            "--memory-limit is less than the process takes before the first partition",
            found=f"{size:,} bytes; {taken:,} are taken already",
            expected="room for the process and a partition of the largest state besides",
            do="a larger --memory-limit: 1280MiB is enough for --preset small",
        )
    grow_by_need()
    return MemoryBudget(size)

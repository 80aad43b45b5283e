"""Resident memory of this process, as Linux counts it; resident pages of mapped files are included."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_highest = 0  # of the marks before the last


def resident() -> int:
    """Bytes now."""
    return _figure("VmRSS")


def peak() -> int:
    """Highest bytes since the last `mark`, or since the process began."""
    return _figure("VmHWM")


def highest() -> int:
    """Highest resident bytes of this process so far, regardless of `mark`.

    Where the system offers only getrusage, memory that a parent held before fork counts too.
    """
    try:
        return max(_highest, peak())
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def mark() -> None:
    """Make `peak` start again from now.

    Raises:
        OSError: The kernel does not support it.
    """
    global _highest
    _highest = max(_highest, peak())
    _CLEAR.write_text("5")


def measurable() -> bool:
    """Whether the kernel reports a process's resident memory, and its peak since a given moment."""
    try:
        mark()
        return 0 < resident() <= peak()
    except (OSError, StopIteration):
        return False


def available() -> int | None:
    """Bytes this process may still take: the machine's free memory or its control group's, whichever is less.

    None if the system reports neither.
    """
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError), Path("/proc/meminfo").open() as lines:
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        most, taken = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        found.append(max(0, most - taken))
    return min(found, default=None)


def give_back() -> None:
    """Give the kernel what was freed and kept (see `sim.executors.allocator`).

    Nothing happens where the C library has no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _figure(name: str) -> int:
    with _STATUS.open() as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

"""Memory a process has freed stays with the process.

A partition takes some hundred MB in arrays of 1 to 16 MB and gives them back, and the next one takes them
again. The C library's defaults return each to the kernel at once, and the kernel zeroes every page anew when
it is first touched: a tenth to a fifth of the CPU time of 5B.S4 went there, more on a busy machine. NumPy and
Arrow then share one heap, so that what one frees the other can use.
"""

from __future__ import annotations

import ctypes
import os
import sys

# glibc's mallopt parameters (malloc.h), the environment variables that set the same, and our values.
_TOP_PAD = (-2, "MALLOC_TOP_PAD_")
_SETTINGS = (
    (-8, "MALLOC_ARENA_MAX", 1),  # one heap for all threads: what one worker frees another takes
    (-3, "MALLOC_MMAP_THRESHOLD_", 32 << 20),  # the most glibc allows: smaller blocks come from the heap
    (-1, "MALLOC_TRIM_THRESHOLD_", 1 << 30),  # free memory at the top of the heap that is kept
    (*_TOP_PAD, 64 << 20),  # the heap grows in such steps
)


def keep_freed_memory() -> bool:
    """Make glibc and Arrow reuse freed memory; call it before threads start and before pyarrow is imported.

    Peak memory does not rise by it; memory that is free after the peak is just not given back. Settings that
    the user made through the environment stand. Other C libraries are left alone.

    Returns:
        Whether the C library took the settings.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform != "linux":
        return False
    took = [_set(*setting) for setting in _SETTINGS]
    return all(took)


def grow_by_need() -> bool:
    """For a process under a memory limit: let the heap grow by the size of each request, not in larger steps.

    The kernel counts such a rest where it bounds private memory (RLIMIT_DATA), and the C library refuses a
    small block when a whole step no longer fits. Returns as `keep_freed_memory`.
    """
    return _set(_TOP_PAD[0], _TOP_PAD[1], 1 << 20)


def _set(parameter: int, name: str, value: int) -> bool:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version") or not hasattr(libc, "mallopt"):
        return False
    return name in os.environ or libc.mallopt(parameter, value) == 1

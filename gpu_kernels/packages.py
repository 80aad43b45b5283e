"""CuPy, RMM and pylibcudf: which are installed, and the one memory pool they share."""

from __future__ import annotations

import importlib.metadata
import threading
from contextlib import suppress
from typing import Any

from gpu_kernels.driver import EXTRA, DeviceUnavailable

# Distributions a package comes in, the wanted one first: another may lie beside it from an earlier
# installation.
DISTRIBUTIONS = {
    "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "rmm": ("rmm-cu13", "rmm-cu12", "rmm"),
    "pylibcudf": ("pylibcudf-cu13", "pylibcudf-cu12", "pylibcudf"),
}


def version_of(package: str) -> str | None:
    """Installed version of a package of `DISTRIBUTIONS`, or None."""
    for name in DISTRIBUTIONS[package]:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def import_cupy() -> Any:
    """CuPy.

    Raises:
        DeviceUnavailable: It is not installed, or finds no CUDA libraries.
    """
    try:
        import cupy
    except Exception as error:  # CuPy raises ImportError, RuntimeError or its own, by what is missing
        raise DeviceUnavailable(
            f"CuPy cannot be imported: {str(error).strip().splitlines()[0]}", EXTRA
        ) from error
    return cupy


_pool_lock = threading.Lock()
# First bytes of RMM's pool, which grows when it must: what several partitions take, and not half of a device
# others may use.
POOL_BYTES = 8 << 30


def share_pool(cupy: Any, ordinal: int) -> Any:
    """Give CuPy and libcudf one memory pool, once a process, if RMM is installed.

    A pool that exists already is used; else one is made.

    Returns:
        What frees unused blocks: CuPy's own pool where there is no RMM, None for RMM's.
    """
    if version_of("rmm") is None:
        return cupy.get_default_memory_pool()
    import rmm
    from rmm.allocators.cupy import rmm_cupy_allocator

    with _pool_lock, cupy.cuda.Device(ordinal):
        # A plain resource is what nobody has replaced: a pool of the user's, or of an earlier device of ours,
        # stays.
        if isinstance(rmm.mr.get_per_device_resource(ordinal), rmm.mr.CudaMemoryResource):
            free, _ = cupy.cuda.runtime.memGetInfo()
            rmm.reinitialize(
                pool_allocator=True,
                initial_pool_size=min(free // 2, POOL_BYTES) // 256 * 256,
                devices=ordinal,
            )
        cupy.cuda.set_allocator(rmm_cupy_allocator)
    return None

"""What a backend is, and how to get one by name.

A backend turns kernel contracts into callables (`backend.kernels.<stem>(...)`) and offers the array namespace `xp` plus the
integer primitives that are not kernels: segmented sort. The kernel folders are imported here and nowhere else in `sim`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from sim.backends.binder import Kernels
from sim.backends.cache import kernel_sources_digest, private_cache_dir
from sim.backends.kernel_contracts import load_kernel_contracts


class BackendUnavailable(RuntimeError):
    """The named backend cannot run on this machine; the text says why and what would help."""


@dataclass(frozen=True)
class Backend:
    """A place where kernels run.

    Attributes:
        name: `cpu` (others arrive with the GPU work).
        kernels: One callable per kernel contract.
        xp: Array namespace for exact integer work (numpy here).
        sort_segments: Sorts uint64 `values` in place inside each `[offset[i], offset[i+1])`.
        describe: Versions that matter for provenance.
    """

    name: str
    kernels: Kernels
    xp: Any
    sort_segments: Any
    describe: dict[str, str]


_lock = threading.Lock()
_cache: dict[str, Backend] = {}


def _cpu() -> Backend:
    import numpy

    from cpu_fallback.runtime import keep_compiled_kernels_in

    numba_version = keep_compiled_kernels_in(str(private_cache_dir(f"numba-{kernel_sources_digest()}")))
    from cpu_fallback import ops
    from cpu_fallback.kernels import load

    contracts = load_kernel_contracts()
    return Backend(
        name="cpu",
        kernels=Kernels(contracts, load),
        xp=numpy,
        sort_segments=ops.sort_segments,
        describe={"backend": "cpu", "numba": numba_version, "numpy": numpy.__version__},
    )


def get_backend(name: str = "cpu") -> Backend:
    """The backend called `name`; `auto` means `cpu` until a GPU backend exists.

    Args:
        name: `auto` or `cpu`.

    Returns:
        The backend, built once a process.

    Raises:
        BackendUnavailable: If this build has no such backend. Nothing falls back silently.
    """
    resolved = "cpu" if name == "auto" else name
    if resolved != "cpu":
        raise BackendUnavailable(f"backend {name!r} is not part of this version: it has cpu only (use --backend cpu or auto)")
    with _lock:
        if resolved not in _cache:
            _cache[resolved] = _cpu()
        return _cache[resolved]

"""Backends by name.

The kernel folders are imported here and in `device_backend.py`, and nowhere else in `sim`.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from sim.backends.protocol import Backend, BackendUnavailable

NAMES = ("auto", "cpu", "gpu", "emulated")

_lock = threading.Lock()
_cache: dict[str, Backend] = {}


def get_backend(name: str = "cpu") -> Backend:
    """The backend called `name`.

    `auto` is `gpu` where that can run and was measured to be the faster one, else `cpu`, and says why.

    Args:
        name: One of `NAMES`.

    Returns:
        The backend, built once a process.

    Raises:
        BackendUnavailable: If it cannot run here. Nothing falls back silently.
    """
    if name not in NAMES:
        raise BackendUnavailable(f"there is no backend called {name!r}", f"choose one of {', '.join(NAMES)}")
    if name == "auto":
        return _auto()
    with _lock:
        if name not in _cache:
            _cache[name] = _cpu() if name == "cpu" else _device(name)
        return _cache[name]


def driver_report() -> dict[str, str]:
    """What `doctor` says about the GPU.

    Returns:
        `found`: driver, CUDA version and devices, or why there is none; `do`: what makes `--backend gpu` work
        here, empty if it does.
    """
    from gpu_kernels.driver import DeviceUnavailable, driver_release, package_line, probe, require
    from gpu_kernels.packages import version_of

    try:
        driver = probe()
        require(driver)
    except DeviceUnavailable as error:
        return {"found": str(error), "do": error.do}
    gpus = "; ".join(
        f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB, sm_{gpu.capability[0]}{gpu.capability[1]}"
        for gpu in driver.gpus
    )
    found = f"{driver_release()}, CUDA {driver.cuda[0]}.{driver.cuda[1]}: {gpus}"
    reader = (
        "pylibcudf decodes Parquet on the device"
        if version_of("pylibcudf")
        else "the host decodes Parquet (no pylibcudf)"
    )
    return {"found": f"{found}; {reader}", "do": "" if version_of("cupy") else package_line(driver)}


def _auto() -> Backend:
    from gpu_kernels.driver import DeviceUnavailable, probe, require

    try:
        driver = probe()
        require(driver)
    except DeviceUnavailable as error:
        return replace(get_backend("cpu"), why=str(error))
    from sim.backends.calibration import place_of, verdict

    faster, why = verdict(place_of(driver))
    try:
        return replace(get_backend("gpu" if faster else "cpu"), why=why)
    except BackendUnavailable as error:
        return replace(get_backend("cpu"), why=str(error))


def _require_driver() -> None:
    from gpu_kernels.driver import DeviceUnavailable, probe

    try:
        probe()
    except DeviceUnavailable as error:
        raise BackendUnavailable(str(error), error.do) from None


def _cpu() -> Backend:
    import numpy

    from sim.backends.compiled import kept_kernels

    # first: numba must know where to keep kernels before it loads one
    compiled, kernels, numba_version = kept_kernels()
    from cpu_fallback import ops
    from sim.backends.host import HostOps

    return Backend(
        name="cpu",
        kernels=kernels,
        xp=numpy,
        ops=HostOps(ops.sort_segments),
        describe={"backend": "cpu", "numba": numba_version, "numpy": numpy.__version__},
        compiled=compiled,
    )


def _device(name: str) -> Backend:
    if name == "gpu":
        _require_driver()  # a machine without a driver is refused before a big package is imported
    from sim.backends.device_backend import emulated_backend, gpu_backend

    return gpu_backend() if name == "gpu" else emulated_backend()

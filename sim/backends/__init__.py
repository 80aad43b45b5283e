"""Backends: where kernels run. States see `Kernels` and never learn which backend is behind it."""

from sim.backends.choice import NAMES, driver_report, get_backend
from sim.backends.protocol import Backend, BackendUnavailable, DeviceFault, OutOfDeviceMemory

__all__ = [
    "NAMES",
    "Backend",
    "BackendUnavailable",
    "DeviceFault",
    "OutOfDeviceMemory",
    "driver_report",
    "get_backend",
]

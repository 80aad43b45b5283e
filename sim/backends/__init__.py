"""Backends run kernels. A state calls kernels by name and never learns which backend runs them."""

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

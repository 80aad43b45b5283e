"""Backends: where kernels run. States see `Kernels` and never learn which backend is behind it."""

from sim.backends.protocol import Backend, BackendUnavailable, get_backend

__all__ = ["Backend", "BackendUnavailable", "get_backend"]

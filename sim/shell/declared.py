"""What a state reached for against what its declaration names."""

from __future__ import annotations

from collections.abc import Mapping

from sim.backends import Backend
from sim.backends.binder import BoundKernel
from sim.shell.params import Params
from sim.shell.state import State


class UndeclaredAccess(RuntimeError):
    """A state reached for something its declaration does not name (a bug in the state)."""


class DeclaredKernels:
    """The kernels a state declares, by stem."""

    def __init__(self, backend: Backend, state: State) -> None:
        self._backend, self._state = backend, state

    def __getattr__(self, stem: str) -> BoundKernel:
        if stem not in self._state.kernels:
            raise UndeclaredAccess(f"{self._state.id} does not declare kernel {stem!r}")
        kernel: BoundKernel = getattr(self._backend.kernels, stem)
        return kernel


class DeclaredParams:
    """The config packs a state declares, by id."""

    def __init__(self, configs: Mapping[str, Params], state: State) -> None:
        self._configs, self._state = configs, state

    def __getattr__(self, name: str) -> Params:
        if name not in self._state.config:
            raise UndeclaredAccess(f"{self._state.id} does not declare config {name!r}")
        return self._configs[name]

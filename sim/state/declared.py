"""What a state declares to use, handed out by name; anything else it reaches for is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from sim.backends import Backend
from sim.backends.binder import BoundKernel
from sim.ground.identity import frame as frame_bytes
from sim.state.declaration import State
from sim.state.frames import Array
from sim.state.params import Params, place_of


@lru_cache(maxsize=64)
def name_hashes(values: tuple[str, ...]) -> Array:
    """uint64 hash of each name: LE64 of SHA-256 over its framed text; read-only."""
    words = [int.from_bytes(hashlib.sha256(frame_bytes(value)).digest()[:8], "little") for value in values]
    hashes = np.array(words, dtype=np.uint64)
    hashes.flags.writeable = False
    return hashes


class UndeclaredAccess(RuntimeError):
    """A state reached for something its declaration does not name (a bug in the state)."""


class DeclaredKernels:
    """`ctx.kernels`: those the state declares."""

    def __init__(self, backend: Backend, state: State) -> None:
        self._backend, self._state = backend, state

    def __getattr__(self, stem: str) -> BoundKernel:
        if stem not in self._state.kernels:
            raise UndeclaredAccess(f"{self._state.id} does not declare kernel {stem!r}")
        kernel: BoundKernel = getattr(self._backend.kernels, stem)
        return kernel


class DeclaredParams:
    """`ctx.params`: the config packs the state declares."""

    def __init__(self, configs: Mapping[str, Params], state: State) -> None:
        self._configs, self._state = configs, state

    def __getattr__(self, name: str) -> Params:
        if name not in self._state.config:
            raise UndeclaredAccess(f"{self._state.id} does not declare config {name!r}")
        return self._configs[name]

    def place(self, pack: str, key: str) -> str:
        """Where a value of any pack is written, for messages; see `place_of`.

        It is no value, so none need be declared.
        """
        return place_of(self._configs[pack], key)

"""Stream keys and single Philox blocks."""

from __future__ import annotations

import hashlib
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from sim.ground.identity import frame

SCHEME = b"closedworld.rng.v1"

U64Array = NDArray[np.uint64]
_WORD = 1 << 64


def stream_key(seed: int, stream: str, scenario: str | None = None) -> int:
    """The 64-bit Philox key of a stream.

    LE64(SHA-256(frame(SCHEME) + LE64(seed) + frame(stream) [+ frame(scenario)])[:8]). Neither the fingerprint
    nor a run id takes part, so worlds that differ in one prior share every other draw; the scenario takes
    part only in streams that say so.

    Args:
        seed: The world's seed, 0 <= seed < 2**64.
        stream: Stream id from contracts/rng/streams.yaml.
        scenario: Scenario id, for a stream of scope `scenario`; None for scope `world`.

    Raises:
        ValueError: the seed is out of range, or an id is empty.
    """
    if not 0 <= seed < _WORD:
        raise ValueError(f"seed must be in [0, 2**64), not {seed}")
    if not stream or scenario == "":
        raise ValueError("a stream or scenario id must not be empty")
    message = frame(SCHEME) + seed.to_bytes(8, "little") + frame(stream.encode())
    if scenario is not None:
        message += frame(scenario.encode())
    return int.from_bytes(hashlib.sha256(message).digest()[:8], "little")


@overload
def block(key: int, counter_lo: int, counter_hi: int, backend: str = "cpu") -> tuple[int, int]: ...


@overload
def block(
    key: int, counter_lo: U64Array, counter_hi: U64Array | int, backend: str = "cpu"
) -> tuple[U64Array, U64Array]: ...


@overload
def block(
    key: int, counter_lo: int, counter_hi: U64Array, backend: str = "cpu"
) -> tuple[U64Array, U64Array]: ...


def block(
    key: int, counter_lo: U64Array | int, counter_hi: U64Array | int, backend: str = "cpu"
) -> tuple[int, int] | tuple[U64Array, U64Array]:
    """The two 64-bit words of Philox2x64-10 at a counter.

    Args:
        key: Stream key, 0 <= key < 2**64.
        counter_lo: c0; an int or a uint64 array. The two counters broadcast against each other.
        counter_hi: c1; likewise.
        backend: Which backend computes it; all give the same words.

    Returns:
        (x0, x1): two ints where both counters are ints, else two uint64 arrays of the broadcast shape.

    Raises:
        ValueError: the key or an int counter is out of range.
        TypeError: an array counter is not uint64.
    """
    from sim.backends import get_backend  # here, so that keys can be derived without loading a backend

    if not 0 <= key < _WORD:
        raise ValueError(f"key must be in [0, 2**64), not {key}")
    low, high = np.broadcast_arrays(_counter(counter_lo), _counter(counter_hi))
    kernels: Any = get_backend(backend).kernels
    x0, x1 = kernels.philox_block(
        key=key, c0=np.ascontiguousarray(low).reshape(-1), c1=np.ascontiguousarray(high).reshape(-1)
    )
    if low.ndim == 0:
        return int(x0[0]), int(x1[0])
    return x0.reshape(low.shape), x1.reshape(low.shape)


def _counter(value: U64Array | int) -> U64Array:
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint64:
            raise TypeError(f"a counter array must be uint64, not {value.dtype}")
        return value
    if not 0 <= value < _WORD:
        raise ValueError(f"a counter must be in [0, 2**64), not {value}")
    return np.array(value, dtype=np.uint64)

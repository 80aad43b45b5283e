"""Emulated device arrays: as strict as CuPy, and stricter where a GPU would be silently wrong."""

from __future__ import annotations

import gc
import inspect

import numpy as np
import pytest

from gpu_kernels.arrays import METHODS, UFUNCS, DeviceArray, Memory
from gpu_kernels.memory import OutOfDeviceMemory
from gpu_kernels.namespace import Namespace

HOST = np.array([5, 1, 4, 1], np.uint64)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def xp(memory: Memory) -> Namespace:
    return Namespace(memory)


def same(found, expected):
    assert isinstance(found, DeviceArray)
    assert found.dtype == np.asarray(expected).dtype and found.shape == np.shape(expected)
    assert (found.get() == expected).all()


def test_operators_and_functions_are_numpys(xp):
    a = xp.asarray(HOST)
    same(a + np.uint64(1), HOST + np.uint64(1))
    same(1 + a, HOST + 1)
    same(a[a > 1], HOST[HOST > 1])
    same(a[1:3], HOST[1:3])
    same(a[xp.asarray(np.array([3, 0]))], HOST[[3, 0]])
    same(np.concatenate([a, a]), np.concatenate([HOST, HOST]))
    same(np.where(a > 1, a, 0), np.where(HOST > 1, HOST, 0))
    same(np.flatnonzero(a == 1), np.flatnonzero(HOST == 1))
    same(np.zeros_like(a, dtype=np.bool_), np.zeros(4, np.bool_))
    same(np.argsort(a, kind="stable"), np.argsort(HOST, kind="stable"))
    same(xp.lexsort(xp.stack([a, a % 3])), np.lexsort([HOST, HOST % 3]))
    same(xp.cumsum(a, dtype=np.uint64), np.cumsum(HOST, dtype=np.uint64))
    same(xp.searchsorted(xp.sort(a), a), np.searchsorted(np.sort(HOST), HOST))
    same(xp.bincount(a.astype(np.int64), minlength=9), np.bincount(HOST.astype(np.int64), minlength=9))
    same(a.view(np.uint32).reshape(4, 2)[:, 0], HOST.view(np.uint32).reshape(4, 2)[:, 0])
    assert int(a[-1]) == 1 and bool((a > 0).all()) and [int(a.sum()), int(a.max())] == [11, 5]
    assert np.arange(9)[int(a[0])] == 5 and list(range(int(a[2]))) == [0, 1, 2, 3]


def test_in_place(xp):
    a = xp.asarray(HOST)
    b = a[1:3]
    b += np.uint64(1)
    a[0] = 9
    a[xp.asarray(np.array([3]))] = xp.asarray(np.array([8], np.uint64))
    assert a.tolist() == [9, 2, 5, 8] and HOST.tolist() == [5, 1, 4, 1]


@pytest.mark.parametrize(
    "work",
    [
        lambda a, xp: a + HOST,
        lambda a, xp: HOST + a,
        lambda a, xp: HOST.copy().__iadd__(a),
        lambda a, xp: a.__iadd__(HOST),
        lambda a, xp: np.asarray(a),
        lambda a, xp: np.concatenate([a, HOST]),
        lambda a, xp: np.where(a > 1, HOST, 0),
        lambda a, xp: a.__setitem__(slice(None), HOST),
        lambda a, xp: np.append(a, HOST),
        lambda a, xp: xp.minimum(HOST, HOST),
        lambda a, xp: np.repeat(a, a),
        lambda a, xp: np.exp(a),
        lambda a, xp: np.add.reduce(a),
        lambda a, xp: np.histogram(a),
        lambda a, xp: list(a),
        lambda a, xp: a.astype(np.float64).sum(),
        lambda a, xp: a.astype(np.int32).cumsum(),
        lambda a, xp: xp.searchsorted(a, a.astype(np.int64)),
        lambda a, xp: xp.stack([a, a.astype(np.int64)]),
        lambda a, xp: xp.bincount(a.astype(np.int64), a),
        lambda a, xp: xp.asarray(np.array(["x"])),
        lambda a, xp: hash(a),
    ],
)
def test_refused(xp, work):
    with pytest.raises(TypeError):
        work(xp.asarray(HOST), xp)


def test_indices_a_gpu_would_take_silently(xp):
    a = xp.asarray(HOST)
    for index in (HOST.astype(np.int64), [0], a.astype(np.float64), xp.asarray(np.array([4]))):
        with pytest.raises(IndexError):
            a[index]
    with pytest.raises(ValueError, match="any of them may win"):
        a[xp.asarray(np.array([0, -4]))] = xp.asarray(np.array([1, 2], np.uint64))
    a[xp.asarray(np.array([0, -4]))] = 7  # one value for one place twice is no race
    assert int(a[0]) == 7


def test_memory_is_accounted_by_what_lives(memory, xp):
    a = xp.zeros(100, np.uint64)
    half = a[:50]
    seen = half.view(np.uint8).reshape(-1, 8).ravel()
    assert memory.used == 800
    del a, half
    assert memory.used == 800
    del seen
    gc.collect()
    assert memory.used == 0 and memory.peak >= 800


def test_memory_runs_out():
    memory = Memory(1000)
    xp = Namespace(memory)
    a = xp.zeros(100, np.uint64)
    with pytest.raises(OutOfDeviceMemory, match="800 bytes"):
        a + np.uint64(1)
    assert memory.used == 800
    del a
    assert len(xp.zeros(125, np.uint64)) == 125


def test_unset_memory_is_not_zero(xp):
    assert xp.empty(4, np.uint64).tolist() == [0xA5A5A5A5A5A5A5A5] * 4 and xp.empty(2, bool).tolist() == [
        True,
        True,
    ]


def parameters(function):
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values() if p.name != "self"]


def test_names_and_signatures_are_cupys():
    """Every function here exists in CuPy, takes no other arguments, in the same order,
    with the same defaults.
    """
    cupy = pytest.importorskip(
        "cupy", reason="CuPy is not installed; test_real_api.py installs it and runs this"
    )
    own = [name for name in vars(Namespace) if not name.startswith("_")]
    assert len(own) > 35
    for name in own:
        ours = parameters(getattr(Namespace, name))
        assert ours == parameters(getattr(cupy, name))[: len(ours)], name
    assert not [name for name in UFUNCS if not isinstance(getattr(cupy, name), cupy.ufunc)]
    methods = [*METHODS, "view", "reshape", "ravel", "astype", "copy", "get", "tolist"]
    assert not [name for name in methods if not hasattr(cupy.ndarray, name)]

"""The twins of a kernel that this machine can run, each over numpy columns in place.

numba needs nothing but numba, the emulator a host C++ compiler, the GPU a device and CuPy. A GPU machine with
CuPy and numpy is enough.
"""

import importlib.metadata
import importlib.util
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from gpu_kernels.compile import CompilerMissing
from gpu_kernels.driver import DeviceUnavailable, probe, require
from gpu_kernels.emulate import Emulator, host_compiler
from gpu_kernels.launch import CudaLauncher
from sim.backends.cache import private_cache_dir
from sim.backends.kernel_contracts import load_kernel_contracts

POISON = 0xA5
GUARD = 64


def poisoned(size, dtype):
    """A column of poison between two guards of poison; its `base` is the whole."""
    whole = np.full(size * np.dtype(dtype).itemsize + 2 * GUARD, POISON, np.uint8)
    return whole[GUARD : len(whole) - GUARD].view(dtype)


def intact(column):
    """Whether nothing was written beside a poisoned column."""
    whole = column.base
    return bool((whole[:GUARD] == POISON).all() and (whole[len(whole) - GUARD :] == POISON).all())


def rows_of(arguments):
    """Rows to share out among threads: the longest column that is written."""
    return max(
        (len(column) for column in arguments if isinstance(column, np.ndarray) and column.flags.writeable),
        default=0,
    )


@cache
def twin(stem):
    """The CPU twin, compiled into the directory a run keeps its kernels in, which is another one when
    anything compiled in is changed.
    """
    from cpu_fallback.kernels import load
    from sim.backends.compiled import kept_kernels

    kept_kernels()
    return load(load_kernel_contracts()[stem])


class Numba:
    """The CPU twins."""

    name = "numba"

    def launch(self, stem, arguments):
        twin(stem)(*arguments)


class Emulated:
    """The CUDA text compiled for the host. Every launch has another geometry, unless one is given."""

    name = "emulated"

    def __init__(self, folder=None, **options):
        self._emulator = Emulator(folder or private_cache_dir("emulated"), **options)

    def launch(self, stem, arguments):
        self._emulator.launch(load_kernel_contracts()[stem], arguments, rows_of(arguments))


class Gpu:
    """The CUDA text on the first GPU: in turn as a backend launches it, in few odd blocks,
    and in one block.
    """

    name = "gpu"

    def __init__(self, texts=None):
        folder = private_cache_dir("cubins")
        cuts = ({}, {"block": 96, "blocks": 7}, {"block": 33, "blocks": 1})
        self._launchers = [CudaLauncher(folder, texts=texts, **cut) for cut in cuts]
        self._turns = Counter()

    def launch(self, stem, arguments):
        import cupy

        there = [self._upload(cupy, value) for value in arguments]
        launcher = self._launchers[self._turns[stem] % len(self._launchers)]
        self._turns[stem] += 1
        launcher.launch(load_kernel_contracts()[stem], [column for column, _ in there], rows_of(arguments))
        for host, (_, whole) in zip(arguments, there, strict=True):
            if whole is not None:
                target = host if host.base is None else host.base
                target[:] = cupy.asnumpy(whole)

    @staticmethod
    def _upload(cupy, value):
        """An argument on the device, and what is to be copied back: the column with its guards,
        or the error word.
        """
        if not isinstance(value, np.ndarray):
            return value, None
        if not value.flags.writeable:
            return cupy.asarray(value), None
        if value.base is None or not len(value):
            whole = cupy.asarray(value)
            return whole, whole if value.base is None else None
        whole = cupy.asarray(value.base)
        return whole[GUARD : len(whole) - GUARD].view(value.dtype), whole


def gpu_missing():
    """Why no kernel can run on a GPU here; None where one can."""
    try:
        require(probe())
    except DeviceUnavailable as error:
        return str(error)
    return None if importlib.util.find_spec("cupy") else "CuPy is not installed"


@cache
def compiler_missing():
    """Why nothing can be emulated here; None where it can."""
    try:
        host_compiler()
    except CompilerMissing as error:
        return str(error)
    return None


def numba_fits():
    """Whether the numba that is installed is one that this project takes:
    another may not import beside this machine's numpy.
    """
    if importlib.util.find_spec("numba") is None:
        return False
    wanted = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    pinned = next(Requirement(text) for text in wanted if Requirement(text).name == "numba")
    return pinned.specifier.contains(importlib.metadata.version("numba"))


@cache
def runners():
    """All twins of this machine, the first of them the one the others are compared with."""
    found = [Numba()] if numba_fits() else []
    if compiler_missing() is None:
        found.append(Emulated())
    if gpu_missing() is None:
        found.append(Gpu())
    if not found:
        raise RuntimeError("no numba, no C++ compiler and no GPU: no kernel can run here")
    return tuple(found)

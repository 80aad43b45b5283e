"""Calling a kernel: the flat arguments of both launchers, the geometry, and the launch through CuPy."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gpu_kernels.compile import binary_arch, compile_cubin, compile_cubins, supported_archs
from gpu_kernels.sources import KernelText

THREADS = 256
# More blocks than a device holds at once: rows of some kernels cost very different times, and a finished
# block makes room for another.
WAVES = 4


class WrongArguments(TypeError):
    """Arguments that are not the contract's."""


def _scalar(kernel: KernelText, name: str, dtype: str, value: Any) -> np.generic:
    if not isinstance(value, np.generic) or value.dtype != np.dtype(dtype):
        raise WrongArguments(
            f"{kernel.name}: scalar {name} must be a numpy.{dtype}, not {value!r} ({type(value).__name__})"
        )
    return value


def _column(kernel: KernelText, name: str, dtype: str, value: Any) -> list[Any]:
    shape = getattr(value, "shape", None)
    if shape is None or value.dtype != np.dtype(dtype) or len(shape) != 1 or not value.flags.c_contiguous:
        found = type(value).__name__ if shape is None else f"{value.dtype}{list(shape)}"
        raise WrongArguments(
            f"{kernel.name}: column {name} must be a contiguous one-dimensional {dtype} array, not {found}"
        )
    return [value, np.uint64(shape[0])]


def flat_arguments(kernel: KernelText, arguments: Sequence[Any]) -> list[Any]:
    """Arguments in contract order -> what the compiled function takes: each column is followed by its length.

    Nothing is converted: a wider or signed scalar is a mistake of the caller, not a number to be cut.

    Args:
        kernel: The contract.
        arguments: numpy scalars of the contract's dtypes and arrays (numpy or CuPy) in contract order; where
            the contract has errors the error word (uint64[1], 2**64 - 1 for "none yet") comes last.

    Raises:
        WrongArguments: Number, dtype or shape differ from the contract's.
    """
    expected = len(kernel.args) + bool(kernel.errors)
    if len(arguments) != expected:
        raise WrongArguments(f"{kernel.name} takes {expected} arguments, not {len(arguments)}")
    flat: list[Any] = []
    for arg, value in zip(kernel.args, arguments, strict=False):
        if arg.kind == "scalar":
            flat.append(_scalar(kernel, arg.name, arg.dtype, value))
        else:
            flat += _column(kernel, arg.name, arg.dtype, value)
    if kernel.errors:
        word, length = _column(kernel, "error", "uint64", arguments[-1])
        if length != 1:
            raise WrongArguments(f"{kernel.name}: the error word is one uint64, not {length}")
        flat.append(word)
    return flat


def geometry(rows: int, processors: int, resident_threads: int, block: int) -> tuple[int, int]:
    """Blocks and threads of a launch: no more blocks than rows need or than keep the device busy, never none.

    Args:
        rows: Rows (or whatever a thread takes) there are; 0 still launches, because some kernels check their
            columns first.
        processors: Multiprocessors of the device.
        resident_threads: Threads one of them holds at once.
        block: Threads of a block.
    """
    enough = -(-rows // block)
    busy = processors * max(1, resident_threads // block) * WAVES
    return max(1, min(enough, busy)), block


@cache
def _device_limits(ordinal: int) -> tuple[int, int, str]:
    """Multiprocessors, threads one holds, compute capability ("90") of a GPU."""
    import cupy

    device = cupy.cuda.Device(ordinal)
    found = device.attributes
    return (
        int(found["MultiProcessorCount"]),
        int(found["MaxThreadsPerMultiProcessor"]),
        str(device.compute_capability),
    )


class CudaLauncher:
    """Launches kernels on the current CuPy device and stream, compiling each the first time."""

    def __init__(
        self,
        folder: Path,
        *,
        block: int = THREADS,
        blocks: int | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Set up; nothing is compiled before it is launched.

        Args:
            folder: Private cache directory of cubins.
            block: Threads a block; fewer where a kernel's registers do not allow as many.
            blocks: A fixed number of blocks (tests) instead of what the rows need and the device holds.
            texts: Kernel texts by name instead of the files' (tests plant changes with it).
        """
        self._folder = folder
        self._block = block
        self._blocks = blocks
        self._texts = dict(texts or {})
        self._functions: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()

    def _function(self, kernel: KernelText, ordinal: int, capability: str) -> Any:
        import cupy

        key = (kernel.name, ordinal)
        with self._lock:
            if key not in self._functions:
                arch = binary_arch(capability, supported_archs())
                cubin = compile_cubin(kernel, arch, self._folder, text=self._texts.get(kernel.name))
                self._functions[key] = cupy.RawModule(path=str(cubin)).get_function(kernel.name)
            return self._functions[key]

    def prepare(self, kernels: Iterable[KernelText]) -> None:
        """Compile in parallel the kernels that the current device's cache lacks.

        One by one takes as long as a small world.
        """
        import cupy

        _, _, capability = _device_limits(cupy.cuda.runtime.getDevice())
        compile_cubins(kernels, binary_arch(capability, supported_archs()), self._folder)

    def launch(self, kernel: KernelText, arguments: Sequence[Any], rows: int) -> None:
        """Queue a kernel on the current stream; returns before it has run.

        Args:
            kernel: The contract.
            arguments: See `flat_arguments`; CuPy arrays on the current device.
            rows: How many rows there are to share out among threads.
        """
        import cupy

        flat = flat_arguments(kernel, arguments)
        ordinal = cupy.cuda.runtime.getDevice()
        processors, resident, capability = _device_limits(ordinal)
        function = self._function(kernel, ordinal, capability)
        blocks, block = geometry(rows, processors, resident, min(self._block, function.max_threads_per_block))
        function((self._blocks or blocks,), (block,), tuple(flat))

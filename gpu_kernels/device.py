"""Devices: where arrays live and kernels run. `EmulatedDevice` is the host pretending, `CudaDevice` an NVIDIA GPU.

Both offer the same few operations, so that whatever drives one drives the other. Of this file only `CudaDevice` needs a GPU to run.
"""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gpu_kernels.arrays import DeviceArray, Memory
from gpu_kernels.driver import EXTRA, DeviceUnavailable, driver_release, probe, require
from gpu_kernels.emulate import Emulator, host_compiler
from gpu_kernels.frames import decode_parquet, read_parquet
from gpu_kernels.launch import CudaLauncher
from gpu_kernels.memory import OutOfDeviceMemory
from gpu_kernels.namespace import Namespace
from gpu_kernels.slots import Slots
from gpu_kernels.sources import KernelText

SLOTS = 2


class EmulatedDevice:
    """The host as a device: kernels compiled from their CUDA text by a C++ compiler, memory accounted.

    Args:
        folder: Private directory for compiled kernels.
        slots: Partitions at once.
        memory: Bytes of memory it pretends to have; None for no limit.
        emulator: Another launcher (tests fix its geometry or plant kernels).

    Raises:
        CompilerMissing: There is no C++ compiler.
    """

    name = "emulated"
    reads_parquet = True

    def __init__(self, folder: Path, slots: int = SLOTS, memory: int | None = None, emulator: Emulator | None = None) -> None:
        self._compiler = host_compiler()[1].splitlines()[1].strip()
        self.memory, self.slots = Memory(memory), Slots(slots)
        self.xp: Any = Namespace(self.memory)
        self._emulator = emulator or Emulator(folder)

    def upload(self, host: np.ndarray) -> DeviceArray:
        """A copy of a host array on the device."""
        return self.memory.upload(host)

    def download(self, array: DeviceArray) -> np.ndarray:
        """A fresh, writable host copy of a device array."""
        return array.get()

    def empty(self, length: int, dtype: Any) -> DeviceArray:
        """An unset column."""
        return self.xp.empty(length, dtype)

    def resident(self, value: Any) -> bool:
        """Whether a value is an array of this device."""
        return isinstance(value, DeviceArray)

    def launch(self, kernel: KernelText, arguments: Sequence[Any], threads: int) -> None:
        """Run a kernel; columns are device arrays, scalars numpy's, the error word last where the contract has errors."""
        held = [value.held if isinstance(value, DeviceArray) else value for value in arguments]
        self._emulator.launch(kernel, held, threads)

    @contextmanager
    def session(self) -> Iterator[int]:
        """A turn on the device; gives the number of slots it was granted under. May be nested."""
        with self.slots.turn() as (granted, _):
            yield granted

    def read_parquet(self, data: bytes, columns: Sequence[Any], rows: tuple[int, int]) -> dict[str, tuple[Any, Any]]:
        """Columns of a Parquet file, decoded by pyarrow and uploaded; see `frames.decode_parquet`."""
        found = decode_parquet(data, columns, rows)
        return {name: (self.upload(values), None if mask is None else self.upload(mask)) for name, (values, mask) in found.items()}

    def release(self) -> None:
        """Give unused memory back; here nothing is kept."""

    def describe(self) -> dict[str, str]:
        """What ran, for receipts."""
        return {"device": "emulated", "compiler": self._compiler}


def version_of(package: str) -> str | None:
    """Installed version of the first distribution whose name begins so (`cupy` is `cupy-cuda13x`), or None."""
    names = sorted(name for found in importlib.metadata.distributions() if (name := found.metadata["Name"]) and name.startswith(package))
    return importlib.metadata.version(names[0]) if names else None


def ran_out(error: BaseException) -> bool:
    """Whether an exception of CuPy, RMM or cuDF says that device memory ran out (a host's own MemoryError does not)."""
    texts = ("bad_alloc", "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY")
    cupys = isinstance(error, MemoryError) and type(error).__module__.startswith("cupy")
    return cupys or any(text in str(error) for text in texts)


@contextmanager
def translated() -> Iterator[None]:
    """Let every library's out-of-memory be `OutOfDeviceMemory`."""
    try:
        yield
    except OutOfDeviceMemory:
        raise
    except Exception as error:
        if ran_out(error):
            raise OutOfDeviceMemory(detail=str(error).splitlines()[0]) from None
        raise


def import_cupy() -> Any:
    """CuPy.

    Raises:
        DeviceUnavailable: It is not installed, or finds no CUDA libraries.
    """
    try:
        import cupy
    except Exception as error:  # CuPy raises ImportError, RuntimeError or its own, by what is missing
        raise DeviceUnavailable(f"CuPy cannot be imported: {str(error).strip().splitlines()[0]}", EXTRA) from error
    return cupy


class CudaDevice:
    """An NVIDIA GPU through CuPy; memory from one RMM pool that cuDF shares, where RMM is installed.

    Args:
        folder: Private directory for compiled kernels.
        slots: Partitions at once.
        ordinal: Which of the visible devices.

    Raises:
        DeviceUnavailable: No driver, no device, one too old, no CuPy; says what to do.
    """

    name = "gpu"

    def __init__(self, folder: Path, slots: int = SLOTS, ordinal: int = 0) -> None:
        driver = probe()
        self.xp: Any = import_cupy()
        self._runtime = int(self.xp.cuda.runtime.runtimeGetVersion())
        self._gpu, self._cuda = require(driver, self._runtime // 1000, ordinal), driver.cuda
        self.slots, self._ordinal, self._mine = Slots(slots), ordinal, threading.local()
        self._launcher = CudaLauncher(folder)
        self._pool = self._share_pool()
        self.reads_parquet = version_of("cudf") is not None

    def _share_pool(self) -> Any:
        """One pool for CuPy and cuDF; CuPy's own where there is no RMM. Returns what frees unused blocks, or None."""
        if version_of("rmm") is None:
            return self.xp.get_default_memory_pool()
        import rmm
        from rmm.allocators.cupy import rmm_cupy_allocator

        with self.xp.cuda.Device(self._ordinal):
            free, _ = self.xp.cuda.runtime.memGetInfo()
            rmm.reinitialize(pool_allocator=True, initial_pool_size=free // 2 // 256 * 256, devices=self._ordinal)
            self.xp.cuda.set_allocator(rmm_cupy_allocator)
        return None

    def upload(self, host: np.ndarray) -> Any:
        """A copy of a host array on the device, queued on the thread's stream (CuPy copies through pinned memory)."""
        return self.xp.array(host, order="C")

    def download(self, array: Any) -> np.ndarray:
        """A fresh, writable copy in pinned host memory; waits for it."""
        if array.size == 0:
            return np.empty(array.shape, array.dtype)
        pinned = self.xp.cuda.alloc_pinned_memory(array.nbytes)
        host = np.frombuffer(pinned, array.dtype, array.size).reshape(array.shape)
        array.get(out=host)
        return host

    def empty(self, length: int, dtype: Any) -> Any:
        """An unset column."""
        return self.xp.empty(length, dtype)

    def resident(self, value: Any) -> bool:
        """Whether a value is an array of a GPU."""
        return isinstance(value, self.xp.ndarray)

    def launch(self, kernel: KernelText, arguments: Sequence[Any], threads: int) -> None:
        """Queue a kernel on the thread's stream; columns are CuPy arrays, see `EmulatedDevice.launch`."""
        self._launcher.launch(kernel, arguments, threads)

    @contextmanager
    def session(self) -> Iterator[int]:
        """A turn on the device, with a stream of the thread's own; ends when all that was queued has run. May be nested."""
        with self.slots.turn() as (granted, outermost), translated():
            if not outermost:
                yield granted
                return
            with self.xp.cuda.Device(self._ordinal), self._stream() as stream:
                try:
                    yield granted
                finally:
                    stream.synchronize()
                    self._mine.kept.clear()

    def _stream(self) -> AbstractContextManager[Any]:
        if not hasattr(self._mine, "stream"):
            self._mine.stream, self._mine.kept = self.xp.cuda.Stream(non_blocking=True), []
        return self._mine.stream

    def keep(self, owner: Any) -> None:
        """Let memory of another library live until the turn ends: work that reads it may still be queued."""
        self._mine.kept.append(owner)

    def read_parquet(self, data: bytes, columns: Sequence[Any], rows: tuple[int, int]) -> dict[str, tuple[Any, Any]]:
        """Columns of a Parquet file, decoded on the device; see `frames.read_parquet`."""
        with self.session():
            return read_parquet(data, columns, rows, self._mine.stream, self.keep)

    def release(self) -> None:
        """Give unused memory back to the device; RMM's pool keeps it for the next turn."""
        if self._pool is not None:
            self._pool.free_all_blocks()

    def describe(self) -> dict[str, str]:
        """What ran, for receipts: device, memory, driver, CUDA, packages."""
        packages = {name: version for name in ("cupy", "cudf", "rmm") if (version := version_of(name))}
        return {
            "device": self._gpu.name,
            "compute_capability": ".".join(map(str, self._gpu.capability)),
            "device_memory": f"{self._gpu.memory / 2**30:.1f} GiB",
            "driver": f"{driver_release()} (CUDA {'.'.join(map(str, self._cuda))})",
            "cuda_runtime": f"{self._runtime // 1000}.{self._runtime % 1000 // 10}",
            **packages,
        }

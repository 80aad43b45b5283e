"""Devices: where arrays live and kernels run.

`EmulatedDevice` is the host pretending, `CudaDevice` an NVIDIA GPU.

Both offer the same few operations, so that whatever drives one drives the other. Of this file only
`CudaDevice` needs a GPU to run.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpu_kernels.arrays import DeviceArray, Memory
from gpu_kernels.driver import driver_release, probe, require
from gpu_kernels.emulate import Emulator, host_compiler
from gpu_kernels.faults import ran_out, translated
from gpu_kernels.frames import decode_parquet, read_parquet
from gpu_kernels.launch import CudaLauncher
from gpu_kernels.namespace import Namespace
from gpu_kernels.packages import DISTRIBUTIONS, import_cupy, share_pool, version_of
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

    def __init__(
        self, folder: Path, slots: int = SLOTS, memory: int | None = None, emulator: Emulator | None = None
    ) -> None:
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
        """Run a kernel.

        Columns are device arrays, scalars numpy's, the error word last where the contract has errors.
        """
        held = [value.held if isinstance(value, DeviceArray) else value for value in arguments]
        self._emulator.launch(kernel, held, threads)

    @contextmanager
    def session(self) -> Iterator[int]:
        """A turn on the device; gives the number of slots it was granted under. May be nested."""
        with self.slots.turn() as (granted, _):
            yield granted

    def read_parquet(
        self, data: bytes, columns: Sequence[Any], rows: tuple[int, int]
    ) -> dict[str, tuple[Any, Any]]:
        """Columns of a Parquet file, decoded by pyarrow and uploaded; see `frames.decode_parquet`."""
        found = decode_parquet(data, columns, rows)
        return {
            name: (self.upload(values), None if mask is None else self.upload(mask))
            for name, (values, mask) in found.items()
        }

    def release(self) -> None:
        """Give unused memory back; here nothing is kept."""

    def describe(self) -> dict[str, str]:
        """What ran, for receipts."""
        return {"device": "emulated", "compiler": self._compiler}


@dataclass
class Turn:
    """What a thread has while it is on the device.

    That is a stream, objects that must outlive the work on it, and the kernels queued on it.
    """

    stream: Any
    kept: list[Any] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)


class CudaDevice:
    """An NVIDIA GPU through CuPy; memory from one RMM pool that libcudf shares, where RMM is installed.

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
        # free ones; a thread borrows the last, so that there are never more than there were turns at once
        self._streams: list[Any] = []
        self._launcher = CudaLauncher(folder)
        self._pool = share_pool(self.xp, ordinal)
        self.reads_parquet = importlib.util.find_spec("pylibcudf") is not None

    def prepare(self, kernels: Iterable[KernelText]) -> None:
        """Compile what is not in the cache yet, side by side; see `CudaLauncher.prepare`."""
        with self.xp.cuda.Device(self._ordinal):
            self._launcher.prepare(kernels)

    def upload(self, host: np.ndarray) -> Any:
        """A copy of a host array on the device, queued on the thread's stream.

        CuPy copies through pinned memory of its own, but from an array that is pinned itself it copies when
        the stream comes to it: an array of those that may still be written to is copied first.
        """
        return self.xp.array(host.copy() if host.flags.writeable and self._pinned(host) else host, order="C")

    def _pinned(self, host: np.ndarray) -> bool:
        """Whether an array is a view of what `download` made."""
        owner: Any = host
        while isinstance(owner, np.ndarray):
            owner = owner.base
        return isinstance(getattr(owner, "obj", owner), self.xp.cuda.PinnedMemoryPointer)

    def download(self, array: Any) -> np.ndarray:
        """A fresh, writable copy in pinned host memory; waits for it.

        Raises:
            MemoryError: The host has no more memory to pin.
        """
        if array.size == 0:
            return np.empty(array.shape, array.dtype)
        try:
            pinned = self.xp.cuda.alloc_pinned_memory(array.nbytes)
        except Exception as error:
            # of the host, whatever the library calls it: fewer turns on the device would not help
            if ran_out(error):
                raise MemoryError(f"no host memory to pin for {array.nbytes:,} bytes") from None
            raise
        host = np.frombuffer(pinned, array.dtype, array.size).reshape(array.shape)
        array.get(out=host)
        if (turn := self._turn) is not None:
            turn.kernels.clear()  # the stream has answered: whatever was queued on it has run
        return host

    def empty(self, length: int, dtype: Any) -> Any:
        """An unset column."""
        return self.xp.empty(length, dtype)

    def resident(self, value: Any) -> bool:
        """Whether a value is an array of a GPU."""
        return isinstance(value, self.xp.ndarray)

    def launch(self, kernel: KernelText, arguments: Sequence[Any], threads: int) -> None:
        """Queue a kernel on the thread's stream; columns are CuPy arrays, see `EmulatedDevice.launch`."""
        if (turn := self._turn) is not None:
            turn.kernels.append(kernel.name)
        self._launcher.launch(kernel, arguments, threads)

    @property
    def _turn(self) -> Turn | None:
        """The calling thread's turn, if it has one."""
        turn: Turn | None = getattr(self._mine, "turn", None)
        return turn

    @contextmanager
    def session(self) -> Iterator[int]:
        """A turn on the device, with a stream of its own; ends when all that was queued has run.

        May be nested.

        Raises:
            OutOfDeviceMemory: The device has no room.
            DeviceFault: The device failed. The first error is the one reported, whatever ending the turn
                meets after it.
        """
        with self.slots.turn() as (granted, outermost):
            if not outermost:
                yield granted
                return
            turn = Turn(self._free_stream())
            self._mine.turn = turn
            try:
                with translated(turn.kernels), self._on(turn):
                    yield granted
                self._streams.append(turn.stream)  # not one whose work failed
            finally:
                self._mine.turn = None

    def _free_stream(self) -> Any:
        with suppress(IndexError):
            return self._streams.pop()
        with translated(), self.xp.cuda.Device(self._ordinal):
            return self.xp.cuda.Stream(non_blocking=True)

    @contextmanager
    def _on(self, turn: Turn) -> Iterator[None]:
        """Work on the turn's stream, waited for.

        The first error wins over those of waiting and of going back to another stream.
        """
        first: BaseException | None = None
        try:
            with self.xp.cuda.Device(self._ordinal), turn.stream:
                try:
                    yield
                except BaseException as error:
                    first = error
                    raise
                finally:
                    try:
                        turn.stream.synchronize()
                    finally:
                        turn.kept.clear()
        except BaseException as last:
            if first is not None and last is not first:
                raise first from None
            raise
        finally:
            del first  # its traceback holds this frame, and what the work held on the device

    def keep(self, owner: Any) -> None:
        """Let memory of another library live until the turn ends: work that reads it may still be queued."""
        assert self._turn is not None
        self._turn.kept.append(owner)

    def read_parquet(
        self, data: bytes, columns: Sequence[Any], rows: tuple[int, int]
    ) -> dict[str, tuple[Any, Any]]:
        """Columns of a Parquet file, decoded on the device; see `frames.read_parquet`."""
        with self.session():
            assert self._turn is not None
            return read_parquet(data, columns, rows, self._turn.stream, self.keep)

    def release(self) -> None:
        """Give unused memory back, pinned host memory with it.

        RMM's pool keeps the device's for the next turn.
        """
        if self._pool is not None:
            self._pool.free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def describe(self) -> dict[str, str]:
        """What ran, for receipts: device, memory, driver, CUDA, packages."""
        packages = {name: version for name in DISTRIBUTIONS if (version := version_of(name))}
        return {
            "device": self._gpu.name,
            "compute_capability": ".".join(map(str, self._gpu.capability)),
            "device_memory": f"{self._gpu.memory / 2**30:.1f} GiB",
            "driver": f"{driver_release()} (CUDA {'.'.join(map(str, self._cuda))})",
            "cuda_runtime": f"{self._runtime // 1000}.{self._runtime % 1000 // 10}",
            **packages,
        }

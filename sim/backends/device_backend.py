"""Backends over a device: the residency law, and operations that are not kernels.

The law: a kernel takes host and device columns, host ones are uploaded; what it returns stays on the device
iff a column it was given was there. So code written for numpy runs unchanged, and code that starts on the
device stays on it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from gpu_kernels.compile import CompilerMissing
from gpu_kernels.device import SLOTS, CudaDevice, EmulatedDevice
from gpu_kernels.driver import EXTRA, DeviceUnavailable
from gpu_kernels.faults import translated
from gpu_kernels.memory import DeviceFault, OutOfDeviceMemory
from sim.backends.binder import NO_ERROR, BoundKernel, KernelCallError, Kernels
from sim.backends.cache import private_cache_dir
from sim.backends.kernel_contracts import Arg, KernelContract, load_kernel_contracts
from sim.backends.protocol import Backend, BackendUnavailable, ParquetReader

Result = TypeVar("Result")


class DeviceKernel(BoundKernel):
    """A kernel of a device, called as on the host (`BoundKernel`), columns from either memory.

    A thread that has no turn on the device takes one for this call alone.
    """

    def __init__(self, contract: KernelContract, device: Any) -> None:
        super().__init__(contract, self._launch)
        self._device = device

    def __call__(
        self, *, dims: Mapping[str, int] | None = None, out: Mapping[str, Any] | None = None, **given: Any
    ) -> Any:
        """Run the kernel; see `BoundKernel.__call__` and the law above.

        `out` buffers lie where the outputs will.
        """
        resident = any(self._device.resident(value) for value in given.values())
        for name, buffer in (out or {}).items():
            if self._device.resident(buffer) != resident:
                raise KernelCallError(
                    f"{self.contract.name}.{name}: the reused buffer is not in the memory the outputs will "
                    "be in"
                )

        def work() -> Any:
            found = super(DeviceKernel, self).__call__(dims=dims, out=out if resident else None, **given)
            return (
                found
                if resident
                else [
                    self._device.download(array)
                    for array in (found if isinstance(found, tuple) else (found,))
                ]
            )

        arrays = in_turn(self._device, work)
        if resident:
            return arrays
        for arg, number in zip(self.contract.outputs, range(len(arrays)), strict=True):
            if out and arg.name in out:
                buffer = self._fitting(arg, out[arg.name], len(arrays[number]))
                buffer[:] = arrays[number]
                arrays[number] = buffer
        return tuple(arrays) if len(arrays) > 1 else arrays[0]

    def _launch(self, *call: Any) -> None:
        lengths = [len(value) for value in call if self._device.resident(value)]
        self._device.launch(self.contract, list(call), max(lengths, default=1))

    def _error_word(self) -> Any:
        return self._device.upload(np.full(1, NO_ERROR, dtype=np.uint64))

    def _read_error(self, word: Any) -> int:
        return int(self._device.download(word)[0])

    def _column(self, array: Any) -> Any:
        if isinstance(array, np.ndarray):
            return self._device.upload(array)
        return self._device.xp.ascontiguousarray(array)

    def _empty(self, arg: Arg, length: int) -> Any:
        return self._device.empty(length, arg.dtype)

    def _is_array(self, value: Any) -> bool:
        return isinstance(value, np.ndarray) or self._device.resident(value)


def in_turn(device: Any, work: Callable[[], Result]) -> Result:
    """Run `work` in the thread's turn on the device, or in a new turn of its own.

    A new turn is tried again with half the slots whenever memory runs out.

    Raises:
        OutOfDeviceMemory: It does not fit even alone; in a turn that goes on outside, whose holder then tries
            again.
    """
    if device.slots.held:
        return work()
    while True:
        granted = 1
        try:
            with device.session() as granted:
                return work()
        except OutOfDeviceMemory as error:
            last = OutOfDeviceMemory(error.requested, "even with the device to itself")
        # Only here is the failed attempt's traceback gone, and with it what its frames held on the device.
        if not device.slots.halve(granted):
            raise last
        gc.collect()
        device.release()


class DeviceOps:
    """`sim.backends.protocol.Ops` on a device."""

    def __init__(self, device: Any, expand_rows: Callable[..., Any]) -> None:
        self._device, self._expand_rows = device, expand_rows
        self.read_parquet: ParquetReader | None = device.read_parquet if device.reads_parquet else None

    def to_device(self, array: Any) -> Any:
        """Upload, unless it is there."""
        if self._device.resident(array):
            return array
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"a column of dtype {array.dtype} stays on the host: load only the columns needed"
            )
        return in_turn(self._device, lambda: self._device.upload(array))

    def to_host(self, value: Any) -> Any:
        """Download what is on the device."""
        return self._device.download(value) if self._device.resident(value) else value

    def sort_segments(self, values: Any, offset: Any) -> None:
        """Sort in place inside each segment; one sort by (segment, value) for all of them."""

        def work() -> None:
            bounds, column = self.to_device(offset).astype(np.uint64, copy=False), self.to_device(values)
            first, stop = int(bounds[0]), int(bounds[-1])
            if first == stop:
                return
            segment, _ = self._expand_rows(offset=bounds - bounds[0], dims={"m": stop - first})
            part = column[first:stop]
            order = self._device.xp.lexsort(self._device.xp.stack([part, segment.astype(np.uint64)]))
            ranked = part[order]
            if column is values:
                values[first:stop] = ranked
            else:
                values[first:stop] = self._device.download(ranked)

        in_turn(self._device, work)

    def repeat(self, columns: Sequence[Any], counts: Any) -> list[Any]:
        """Rows repeated: on the host where everything is, else expanded and gathered on the device."""
        if not any(self._device.resident(value) for value in (*columns, counts)):
            times = np.asarray(counts).astype(np.int64, copy=False)
            return [np.repeat(column, times) for column in columns]

        def work() -> list[Any]:
            times = self.to_device(counts)
            offset = self._device.xp.zeros(len(times) + 1, dtype=np.uint64)
            offset[1:] = times.cumsum(dtype=np.uint64)
            row, _ = self._expand_rows(offset=offset, dims={"m": int(offset[-1])})
            return [self.to_device(column)[row] for column in columns]

        return in_turn(self._device, work)

    def turn(self, work: Callable[[], Result]) -> Result:
        """See `in_turn`."""
        return in_turn(self._device, work)


def device_backend(device: Any) -> Backend:
    """The backend of a device."""
    kernels = Kernels(load_kernel_contracts(), lambda contract: DeviceKernel(contract, device))
    describe = {"backend": device.name, **device.describe()}
    return Backend(
        device.name, kernels, device.xp, DeviceOps(device, kernels.expand_rows), describe, slots=device.slots
    )


def emulated_backend(slots: int = SLOTS, memory: int | None = None) -> Backend:
    """The emulator; `memory` limits the bytes it pretends to have.

    Raises:
        BackendUnavailable: There is no C++ compiler.
    """
    try:
        return device_backend(EmulatedDevice(private_cache_dir("emulated"), slots, memory))
    except CompilerMissing as error:
        raise BackendUnavailable(str(error), "install g++, or name a compiler in CXX") from None


def gpu_backend(slots: int = SLOTS) -> Backend:
    """The GPU, with every kernel compiled for it.

    Raises:
        BackendUnavailable: No usable GPU, one that fails or is full, no CuPy, no compiler for its
            architecture.
    """
    try:
        with translated():
            device = CudaDevice(private_cache_dir("cubins"), slots)
            device.prepare(load_kernel_contracts().values())
    except DeviceUnavailable as error:
        raise BackendUnavailable(str(error), error.do) from None
    except CompilerMissing as error:
        raise BackendUnavailable(str(error), EXTRA) from None
    except (DeviceFault, OutOfDeviceMemory) as error:
        raise BackendUnavailable(
            f"the GPU does not start: {error}", "look at nvidia-smi and dmesg, or --backend cpu"
        ) from error
    return device_backend(device)

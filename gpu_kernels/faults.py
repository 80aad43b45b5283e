"""Errors of CuPy, RMM, libcudf and CUDA as our own: the device's memory is full, or the device failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gpu_kernels.memory import DeviceFault, OutOfDeviceMemory

# RMM's own allocation failures begin with the name of the C++ exception they are; a bare `std::bad_alloc` is
# the host's, inside libcudf.
_DEVICE_FULL = ("std::bad_alloc: ", "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY")
_LIBRARIES = ("CUDA error", "cudaError", "CUDA_ERROR", "CUDF failure", "RMM failure", "nvcomp")
_CUPYS = ("CUDARuntimeError", "CUDADriverError")
MOST_KERNELS = 8


def ran_out(error: BaseException) -> bool:
    """Whether an exception of CuPy, RMM or cuDF means that device memory ran out.

    A host's own MemoryError does not.
    """
    cupys = isinstance(error, MemoryError) and type(error).__module__.startswith("cupy")
    return cupys or any(text in str(error) for text in _DEVICE_FULL)


def failed(error: BaseException) -> bool:
    """Whether an exception of CuPy, RMM or libcudf says that the device, or their work on it, failed.

    libcudf and RMM raise plain RuntimeErrors, recognised by their macros' text; CuPy has its own classes.
    """
    if type(error).__module__.startswith("cupy") and type(error).__name__ in _CUPYS:
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _LIBRARIES)


@contextmanager
def translated(kernels: Sequence[str] = ()) -> Iterator[None]:
    """Let every library's out-of-memory be `OutOfDeviceMemory`, and its faults `DeviceFault`.

    Args:
        kernels: Filled by whoever launches: what was queued since the device last answered.
    """
    try:
        yield
    except (OutOfDeviceMemory, DeviceFault):
        raise
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if ran_out(error):
            raise OutOfDeviceMemory(detail=said) from None
        if failed(error):
            raise DeviceFault(said, list(dict.fromkeys(kernels))[-MOST_KERNELS:]) from error
        raise

"""What the NVIDIA driver reports about this machine, read without CuPy and without making a context.

Answers why there is no usable GPU before anything big is imported, and which packages fit this driver.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcuda.so.1"
LEAST_CAPABILITY = (7, 5)
CUDA_MAJOR = 13
EXTRA = "pip install 'closedworld[gpu-cu13]'"
_UPDATE = "install NVIDIA driver 580 or newer"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NO_DEVICE = 100


class DeviceUnavailable(RuntimeError):
    """There is no GPU to compute on.

    Attributes:
        do: What would help.
    """

    def __init__(self, why: str, do: str) -> None:
        super().__init__(why)
        self.do = do


@dataclass(frozen=True)
class Gpu:
    """One device: name, compute capability, bytes of memory."""

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True)
class Driver:
    """The driver: newest CUDA version it runs as (major, minor), and its devices."""

    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]


def probe(library: str = LIBRARY) -> Driver:
    """Ask the driver.

    Args:
        library: The driver's library.

    Raises:
        DeviceUnavailable: No driver, a driver that does not start, no device.
    """
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        raise DeviceUnavailable(
            "no NVIDIA driver", f"on a machine with an NVIDIA GPU {_UPDATE}; elsewhere use --backend cpu"
        ) from None
    status = cuda.cuInit(0)
    if status == _NO_DEVICE:
        raise DeviceUnavailable(
            "no NVIDIA device", "look at nvidia-smi and CUDA_VISIBLE_DEVICES; elsewhere use --backend cpu"
        )
    if status != 0:
        why = f"the NVIDIA driver does not start (CUDA error {status})"
        raise DeviceUnavailable(why, "look at nvidia-smi; restart the machine after a driver update")
    version = _number(cuda.cuDriverGetVersion)
    gpus = tuple(_gpu(cuda, ordinal) for ordinal in range(_number(cuda.cuDeviceGetCount)))
    if not gpus:
        raise DeviceUnavailable(
            "no NVIDIA device", "look at nvidia-smi and CUDA_VISIBLE_DEVICES; elsewhere use --backend cpu"
        )
    return Driver((version // 1000, version % 1000 // 10), gpus)


def _number(call: ctypes._NamedFuncPointer, *arguments: object) -> int:
    found = ctypes.c_int()
    status = call(ctypes.byref(found), *arguments)
    if status != 0:
        raise DeviceUnavailable(
            f"the NVIDIA driver does not answer (CUDA error {status})", "look at nvidia-smi"
        )
    return found.value


def _gpu(cuda: ctypes.CDLL, ordinal: int) -> Gpu:
    device = _number(cuda.cuDeviceGet, ordinal)
    name, memory = ctypes.create_string_buffer(128), ctypes.c_size_t()
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = tuple(_number(cuda.cuDeviceGetAttribute, which, device) for which in (_MAJOR, _MINOR))
    return Gpu(name.value.decode(errors="replace"), (capability[0], capability[1]), memory.value)


def require(driver: Driver, cuda_major: int = CUDA_MAJOR, ordinal: int = 0) -> Gpu:
    """The device, if kernels built for a CUDA version can run on it.

    Args:
        driver: What `probe` found.
        cuda_major: Major version of the CUDA runtime in use (drivers run every minor version of theirs).
        ordinal: Which device.

    Raises:
        DeviceUnavailable: Driver too old, device too old.
    """
    if driver.cuda[0] < cuda_major:
        found = ".".join(map(str, driver.cuda))
        raise DeviceUnavailable(f"the NVIDIA driver knows CUDA {found}, CUDA {cuda_major} is needed", _UPDATE)
    gpu = driver.gpus[ordinal]
    if gpu.capability < LEAST_CAPABILITY:
        least, found = (".".join(map(str, version)) for version in (LEAST_CAPABILITY, gpu.capability))
        why = f"{gpu.name} has compute capability {found}, {least} is needed"
        raise DeviceUnavailable(why, "use a Turing GPU or newer, or --backend cpu")
    return gpu


def package_line(driver: Driver) -> str:
    """What makes `--backend gpu` work with this driver."""
    return EXTRA if driver.cuda[0] >= CUDA_MAJOR else f"{_UPDATE}, then {EXTRA}"


def driver_release(path: Path = Path("/proc/driver/nvidia/version")) -> str:
    """Release of the driver, such as `580.65.06`; `unknown` where the kernel module does not say."""
    found = re.search(r"\b(\d{3,}(?:\.\d+)+)\b", path.read_text(errors="replace")) if path.is_file() else None
    return found[1] if found else "unknown"

"""What a backend is: kernels by contract, an array namespace, and the few operations that are neither.

Where rows live is the backend's affair. On `cpu` there is one memory and every move is the identity. On a
device backend (`device_backend.py`) kernels take arrays from either memory, and what they return stays on the
device iff a column they were given was there. States therefore never ask which backend they run on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gpu_kernels.frames import ColumnSpec, UnexpectedRows
from gpu_kernels.memory import DeviceFault, OutOfDeviceMemory
from gpu_kernels.slots import Slots
from sim.backends.binder import Kernels
from sim.backends.compiled import CompiledKernels

__all__ = [
    "Backend",
    "BackendUnavailable",
    "ColumnSpec",
    "DeviceFault",
    "Ops",
    "OutOfDeviceMemory",
    "UnexpectedRows",
]

Result = TypeVar("Result")


class BackendUnavailable(RuntimeError):
    """The named backend cannot run on this machine.

    Attributes:
        do: What would help.
    """

    def __init__(self, why: str, do: str = "") -> None:
        super().__init__(why)
        self.do = do


class ParquetReader(Protocol):
    """Columns of a verified Parquet file, read straight to the device."""

    def __call__(
        self, data: bytes, columns: Sequence[ColumnSpec], rows: tuple[int, int]
    ) -> dict[str, tuple[Any, Any]]:
        """Column name -> (values, mask or None).

        Args:
            data: The file.
            columns: The wanted columns.
            rows: Half-open row range.

        Raises:
            UnexpectedRows: The file holds what its contract does not allow.
        """


class Ops(Protocol):
    """Array operations that are not kernels. An array is a numpy array or the backend's device array.

    Attributes:
        read_parquet: Reads columns of a verified Parquet file straight to the device, or None where there is
            no way but through the host.
    """

    read_parquet: ParquetReader | None

    def to_device(self, array: Any) -> Any:
        """The array in device memory; itself if it is there already, or if there is only one memory."""

    def to_host(self, value: Any) -> Any:
        """The array in host memory; itself if it is there already. What is no array passes through."""

    def sort_segments(self, values: Any, offset: Any) -> None:
        """Sort uint64 `values` in place inside each `[offset[i], offset[i + 1])`."""

    def repeat(self, columns: Sequence[Any], counts: Any) -> list[Any]:
        """Each column with row i repeated `counts[i]` times.

        The result is on the device if and only if a column or the counts are.
        """

    def turn(self, work: Callable[[], Result]) -> Result:
        """Run a partition's work when the device has a free slot.

        If the device's memory runs out, the work runs again with fewer partitions beside it.

        Raises:
            OutOfDeviceMemory: The work does not fit even alone.
            DeviceFault: The device failed.
        """


@dataclass(frozen=True)
class Backend:
    """A place where kernels run.

    Attributes:
        name: `cpu`, `gpu` or `emulated`.
        kernels: One callable per kernel contract.
        xp: Array namespace for exact integer work on what `ops.to_device` gives.
        ops: Moves between memories, segmented sort, repetition, turns on the device.
        describe: Versions that matter for provenance.
        why: Why `auto` chose it; empty if the user named it.
        compiled: What is compiled already and what is not, if compiling takes long enough to report progress.
        slots: How many partitions may be on the device at once; None where there is no device.
    """

    name: str
    kernels: Kernels
    xp: Any
    ops: Ops
    describe: dict[str, str]
    why: str = ""
    slots: Slots | None = None
    compiled: CompiledKernels | None = None

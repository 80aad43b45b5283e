"""What a device raises: that it has no room, or that it failed."""

from __future__ import annotations

from collections.abc import Sequence


class OutOfDeviceMemory(MemoryError):
    """The device has no room for an allocation; the caller may run less at once and try again.

    Attributes:
        requested: Bytes requested, 0 if the allocator did not say.
    """

    def __init__(self, requested: int = 0, detail: str = "") -> None:
        self.requested = requested
        what = f"{requested:,} bytes" if requested else "an allocation"
        super().__init__(f"the device has no room for {what}{': ' + detail if detail else ''}")


class DeviceFault(RuntimeError):
    """The device or one of its libraries failed.

    After most of its faults a device answers nothing else in this process.

    Attributes:
        kernels: Kernels queued since the device last answered, the last one last: a fault shows after its
            kernel was queued, not when.
    """

    def __init__(self, detail: str, kernels: Sequence[str] = ()) -> None:
        self.kernels = tuple(kernels)
        super().__init__(detail)

    @property
    def after(self) -> str:
        """Which kernels may have done it, in words."""
        return (
            f"after kernel {', '.join(self.kernels)} was queued" if self.kernels else "with no kernel queued"
        )

"""What a device without room raises."""

from __future__ import annotations


class OutOfDeviceMemory(MemoryError):
    """The device has no room for an allocation; the caller may run less at once and try again.

    Attributes:
        requested: Bytes asked for, 0 where the allocator did not say.
    """

    def __init__(self, requested: int = 0, detail: str = "") -> None:
        self.requested = requested
        what = f"{requested:,} bytes" if requested else "an allocation"
        super().__init__(f"the device has no room for {what}{': ' + detail if detail else ''}")

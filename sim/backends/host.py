"""Operations of the `cpu` backend: there is one memory, so nothing moves and no thread waits for a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from sim.backends.protocol import ParquetReader

Result = TypeVar("Result")


class HostOps:
    """`sim.backends.protocol.Ops` over numpy.

    Args:
        sort_segments: The compiled segmented sort.
    """

    read_parquet: ParquetReader | None = None

    def __init__(self, sort_segments: Callable[[Any, Any], None]) -> None:
        self._sort_segments = sort_segments

    def to_device(self, array: Any) -> Any:
        """The same array."""
        return array

    def to_host(self, value: Any) -> Any:
        """The same value."""
        return value

    def sort_segments(self, values: Any, offset: Any) -> None:
        """Sort in place inside each segment."""
        self._sort_segments(values, offset)

    def repeat(self, columns: Sequence[Any], counts: Any) -> list[Any]:
        """`numpy.repeat`, for counts of any integer dtype."""
        times = np.asarray(counts).astype(np.int64, copy=False)
        return [np.repeat(column, times) for column in columns]

    def turn(self, work: Callable[[], Result]) -> Result:
        """Now."""
        return work()

"""How many items may be in flight under a memory limit, learnt from the process's peak resident memory.

The memory of an item is not known beforehand. So the first item runs alone: its cost is the peak while it
ran, less what the process held before. From then on n items may be in flight as long as

    base + n x cost x 5/4 <= limit

with the highest cost seen so far. With several items in flight only their sum is known; their mean may raise
the cost but never lower it. n grows by at most one with each item that ends, so a small first item is noticed
before many follow. Plans that know how large their partitions are begin with the largest, so the cost is
learnt from that one. The limit is compared with the peak of the whole process, whatever caused it; a process
that exceeds it fails with an error.
"""

from __future__ import annotations

from typing import Protocol

from sim.executors import resident
from sim.executors.protocol import ExecutorError

_NEAR = 0.95
"""Share of the limit from which freed memory is given back,
so that what lies between used blocks does not add up.
"""


class Gauge(Protocol):
    """What measures; the functions of `sim.executors.resident`."""

    def resident(self) -> int:
        """Bytes resident now."""

    def peak(self) -> int:
        """Highest since the last `mark`."""

    def highest(self) -> int:
        """Highest ever."""

    def mark(self) -> None:
        """Let `peak` begin anew."""

    def give_back(self) -> None:
        """Have freed memory leave the process."""


class MemoryLimitPassed(ExecutorError):
    """More was resident than the limit allows.

    Attributes:
        item: The item that had just ended; None if there was none.
        together: Most items in flight meanwhile; 0 outside items.
        peak: Highest resident bytes.
        limit: The limit.
    """

    def __init__(self, item: object, together: int, peak: int, limit: int) -> None:
        super().__init__(f"{peak:,} bytes were resident, {limit:,} are allowed")
        self.item = item
        self.together = together
        self.peak = peak
        self.limit = limit


class MemoryBudget:
    """A limit for this process's resident memory, kept by choosing how many items are in flight.

    Args:
        limit: Bytes.
        gauge: What measures.

    Attributes:
        limit: Bytes.
        most: Most items in flight at once in the last work that began.
    """

    def __init__(self, limit: int, gauge: Gauge = resident) -> None:
        self.limit, self.most = limit, 0
        self._gauge = gauge
        self._base = self._cost = 0
        self._reach = 1
        self._together = 0

    def begin(self) -> None:
        """Work of another kind begins: nothing is known of its items.

        Raises:
            MemoryLimitPassed: What was done since the last item took more than the limit.
        """
        self.hold()
        self._gauge.give_back()
        self._gauge.mark()
        self._base = self._gauge.resident()
        self._cost = 0
        self._reach = 1
        self._together = 0
        self.most = 0

    def allowed(self, workers: int) -> int:
        """How many items may be in flight: 1 to `workers`."""
        if not self._cost:
            return 1
        return max(1, min(workers, self._reach, 4 * (self.limit - self._base) // (5 * self._cost)))

    def began(self, flying: int) -> None:
        """An item began; with it so many are in flight."""
        self._together = max(self._together, flying)
        self.most = max(self.most, flying)

    def ended(self, item: object, flying: int) -> None:
        """An item ended; so many others are in flight.

        Raises:
            MemoryLimitPassed: The process took more than the limit at some time.
        """
        self.hold(item)
        peak, first = self._gauge.peak(), not self._cost
        self._cost = max(self._cost, (peak - self._base) // self._together, 1)
        self._reach = max(self._reach, self._together + 1)
        fewer = flying + 1 < self._together  # the sum of more of them says too little of one
        if first or fewer or peak > _NEAR * self.limit:
            self._gauge.give_back()
            self._gauge.mark()
            self._together = flying
        if first:  # what it left behind for the others, as cached inputs
            self._base = max(self._base, self._gauge.resident())

    def hold(self, item: object = None) -> None:
        """Hold the highest peak so far against the limit.

        Raises:
            MemoryLimitPassed: It is higher.
        """
        highest = self._gauge.highest()
        if highest > self.limit:
            raise MemoryLimitPassed(item, 0 if item is None else self._together, highest, self.limit)

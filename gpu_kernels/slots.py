"""How many partitions may be on a device at once: a bound that falls when memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """Turns on a device. A thread that has one may ask again and shares it with itself.

    Args:
        limit: Turns at once, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._busy = 0
        self._changed = threading.Condition()
        self._mine = threading.local()
        self.resize(limit)

    @property
    def limit(self) -> int:
        """Turns at once now."""
        return self._limit

    @property
    def held(self) -> bool:
        """Whether this thread has a turn."""
        return bool(getattr(self._mine, "granted", 0))

    def resize(self, limit: int) -> None:
        """Another number of turns at once."""
        if limit < 1:
            raise ValueError(f"a device has at least one slot, not {limit}")
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    @contextmanager
    def turn(self) -> Iterator[tuple[int, bool]]:
        """Wait for a turn; gives the limit it was granted under, and whether it is the thread's outermost."""
        held = getattr(self._mine, "granted", 0)
        if held:
            yield held, False
            return
        with self._changed:
            self._changed.wait_for(lambda: self._busy < self._limit)
            self._busy += 1
            self._mine.granted = granted = self._limit
        try:
            yield granted, True
        finally:
            self._mine.granted = 0
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def halve(self, granted: int) -> bool:
        """Let fewer in, after a turn granted under a limit found too little memory.

        Returns:
            False if that turn had the device to itself: fewer than one there cannot be.
        """
        with self._changed:
            self._limit = max(1, min(self._limit, granted // 2))
            return granted > 1

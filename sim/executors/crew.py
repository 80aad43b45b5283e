"""Threads that work on items: each is started when it is needed, and all end together.

Unlike a pool of the standard library it says that no thread can be started (memory, or a limit of the system)
before it has taken the item.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic

from sim.executors.protocol import Item, Result


@dataclass(frozen=True)
class Ended(Generic[Item, Result]):
    """An item a thread is done with.

    Attributes:
        item: The item.
        results: What came of it; empty if it failed.
        error: How it failed, or None.
        company: Whether other items were under way at some time while it was.
    """

    item: Item
    results: tuple[Result, ...]
    error: BaseException | None
    company: bool


class Crew(Generic[Item, Result]):
    """Threads for one function; leaving the context waits for what they are at.

    Args:
        function: What to do with an item.
    """

    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function
        self._threads: list[threading.Thread] = []
        self._flying: dict[int, bool] = {}  # number of the item -> whether it had company
        self._given = 0
        self._todo: queue.SimpleQueue[tuple[int, Item] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Item, tuple[Result, ...], BaseException | None]] = (
            queue.SimpleQueue()
        )

    @property
    def flying(self) -> int:
        """How many items are under way."""
        return len(self._flying)

    def give(self, item: Item) -> bool:
        """Have a thread begin an item.

        Returns:
            False if none is free and none can be started; the item was not touched then.
        """
        if len(self._flying) == len(self._threads) and not self._another():
            return False
        number = self._given
        self._given += 1
        self._flying[number] = False
        if len(self._flying) > 1:
            self._flying = dict.fromkeys(self._flying, True)
        self._todo.put((number, item))
        return True

    def take(self) -> Ended[Item, Result]:
        """Wait for the next item that is done; one must be under way."""
        number, item, results, error = self._done.get()
        return Ended(item, results, error, self._flying.pop(number))

    def __enter__(self) -> Crew[Item, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def _another(self) -> bool:
        thread = threading.Thread(target=self._serve, name=f"partition_{len(self._threads)}")
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            return False
        self._threads.append(thread)
        return True

    def _serve(self) -> None:
        while (task := self._todo.get()) is not None:
            number, item = task
            try:
                self._done.put((number, item, (self._function(item),), None))
            except BaseException as error:  # passed on: the thread that started the crew decides
                self._done.put((number, item, (), error))
            del task, item

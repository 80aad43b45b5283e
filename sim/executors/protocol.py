"""What an executor is: something that turns items of work into results, in any order, on any worker.

Work comes in two forms of the same thing. `here` computes an item in this process. `send`, `remote` and
`receive` are for executors whose workers live elsewhere: text out, a function that turns that text into text,
text back. No object of the engine ever leaves its process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Work(Protocol[Item_contra, Result_co]):
    """What is to be done with items."""

    def name(self, item: Item_contra) -> str:
        """Readable name of an item, unique within this work."""

    def here(self, item: Item_contra) -> Result_co:
        """Do it in this process."""

    def send(self, item: Item_contra) -> str:
        """The item as JSON text for `remote`."""

    def remote(self) -> Callable[[str], str]:
        """A module-level function: text of `send` in, text for `receive` out.

        It may run more than once for one item.
        """

    def receive(self, item: Item_contra, text: str) -> Result_co:
        """Take over a worker's answer; called for one answer an item.

        Raises:
            Transient: If another attempt may succeed.
        """

    def unanswered(self, item: Item_contra) -> int:
        """How many attempts at the item began and were never heard of again."""


class Executor(Protocol):
    """Where work is done. Results never depend on the choice."""

    @property
    def name(self) -> str:
        """Name for receipts."""

    @property
    def threads(self) -> int:
        """How many items it may compute at once; 0 if the owner of the workers decides."""

    def map(self, work: Work[Item, Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Do the work on every item; (item, result) come as they become available, in no promised order."""

    def close(self) -> None:
        """End every process and connection this executor started."""


class ExecutorError(RuntimeError):
    """An executor cannot go on; the text says why."""


class ExecutorUnavailable(ExecutorError):
    """The executor cannot run here: a package is missing, or no scheduler answers at the address."""


class ClusterLost(ExecutorError):
    """Scheduler or workers went away while work was under way."""


class WorkLost(ExecutorError):
    """One item's workers died again and again."""

    def __init__(self, name: str, attempts: int) -> None:
        super().__init__(f"{name}: {attempts} workers died while computing it")
        self.name, self.attempts = name, attempts


class OutOfMemory(ExecutorError):
    """Memory ran out while an item was computed, though no other was beside it in this process."""

    def __init__(self, item: object, found: str) -> None:
        super().__init__(found)
        self.item, self.found = item, found


class Transient(Exception):
    """An answer saying that an attempt failed for a reason that may not come back.

    `error` is what to raise if it does.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error

"""An executor that sends every item as text and computes it in this process: the whole wire,
without a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sim.executors import Transient


class TextExecutor:
    """Computes each item `copies` times at once and takes the last answer;
    `afterwards` is called when all is done.
    """

    name = "text"
    threads = 1

    def __init__(self, copies: int = 1, tamper: Callable[[str], str] = str) -> None:
        self.copies, self.tamper = copies, tamper
        self.tasks: list[str] = []
        self.replies: list[str] = []

    def map(self, work: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        with ThreadPoolExecutor(self.copies) as pool:
            for item in items:
                text = self.tamper(work.send(item))
                self.tasks.append(text)
                replies = list(pool.map(work.remote(), [text] * self.copies))
                self.replies += replies
                try:
                    yield item, work.receive(item, replies[-1])
                except Transient as failed:
                    raise failed.error from None

    def close(self) -> None:
        """Nothing to close."""

"""The hub that passes a run's events to every listener, and how far the state under way is."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from sim.ground.plain_text import one_line
from sim.shell.events.events import Event, PartitionEnded, Stage, StateBegan

STAGES = {"sent": 0.0, "computing": 0.0, "checking": 0.5, "writing": 0.75}
"""Stages of a partition, and how much of it is about done when one begins."""


@dataclass
class Progress:
    """Where the state under way is, as all events so far have it."""

    state: str = ""
    title: str = ""
    number: int = 0
    of: int = 0
    partitions: int = 0
    done: int = 0
    resumed: int = 0
    rows: int = 0
    began: float = field(default_factory=time.monotonic)
    flying: dict[str, tuple[str, int]] = field(default_factory=dict)

    def heed(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, StateBegan):
            self.__init__(event.state, event.title, event.number, event.of, event.partitions)  # type: ignore[misc]
        elif isinstance(event, Stage):
            self.flying[event.partition] = (
                event.stage,
                max(event.rows, self.flying.get(event.partition, ("", 0))[1]),
            )
        elif isinstance(event, PartitionEnded):
            self.flying.pop(event.partition, None)
            self.done += 1
            self.resumed += event.resumed
            self.rows += event.rows

    @property
    def seconds(self) -> float:
        """Since the state began."""
        return time.monotonic() - self.began

    @property
    def rows_so_far(self) -> int:
        """Rows of partitions that ended, and of those that are computed and not staged yet."""
        return self.rows + sum(rows for _, rows in self.flying.values())

    @property
    def completed(self) -> float:
        """Partitions that are done, with the parts of those under way."""
        return self.done + sum(STAGES.get(stage, 0.0) for name, (stage, _) in self.flying.items() if name)

    @property
    def stages(self) -> dict[str, int]:
        """How many partitions are in each stage; stages of the state as a whole count one."""
        return dict(sorted(Counter(stage for stage, _ in self.flying.values()).items()))

    @property
    def eta(self) -> float | None:
        """Estimated seconds to the end of this state; None before it has computed anything."""
        made = self.completed - self.resumed
        return self.seconds / made * (self.partitions - self.completed) if made > 0 else None


class Listener(Protocol):
    """Who renders events."""

    def hear(self, event: Event, progress: Progress) -> None:
        """Render one."""

    def close(self) -> None:
        """Put things away."""


class Hub:
    """Passes every event to every listener. A listener that fails is left out, with a warning."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)
        self._lock = threading.Lock()
        self._progress = Progress()

    def tell(self, event: Event) -> None:
        """Pass an event to all."""
        with self._lock:
            self._progress.heed(event)
            for listener in list(self._listeners):
                try:
                    listener.hear(event, self._progress)
                except Exception as error:  # a listener decides nothing in a run
                    self._listeners.remove(listener)
                    why = f"{type(error).__name__}: {error}"
                    with contextlib.suppress(OSError, ValueError):
                        sys.stderr.write(
                            one_line(
                                f"warning: {type(listener).__name__} tells no more ({why}); the run goes on"
                            )
                            + "\n"
                        )

    def close(self) -> None:
        """Close all."""
        with self._lock:
            for listener in self._listeners:
                with contextlib.suppress(Exception):
                    listener.close()
            self._listeners.clear()

"""What a state's partitions counted and drew in all: what its `finish`, `checks` and `measure` are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Declares(Protocol):
    """A state's declaration, as counters see it."""

    @property
    def id(self) -> str:
        """State id."""

    @property
    def counts(self) -> tuple[type, ...]:
        """Classes of the counters it declares."""


class Sizes(Protocol):
    """Where the shapes of counters are known: in every context."""

    @property
    def state(self) -> Declares:
        """The state."""

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenario ids of the run."""

    def vocabulary(self, name: str) -> tuple[str, ...]:
        """A sealed list."""


class Drawn(NamedTuple):
    """What a state drew from a stream, over all scenarios."""

    entities: int
    draws: int
    blocks: int


class Totals:
    """What all partitions of a state counted and drew.

    Args:
        ctx: The state's context: it knows lengths and labels.
        values: Key -> int or int64 array, of what was counted.
        drawn: Stream -> what was drawn.
    """

    def __init__(self, ctx: Sizes, values: Mapping[str, Any], drawn: Mapping[str, Drawn]) -> None:
        self.ctx, self.values, self._drawn = ctx, values, drawn

    def drawn(self, stream: str) -> Drawn:
        """The ledger of a stream: zeros if nothing was drawn; KeyError if the state does not declare it."""
        return self._drawn[stream]

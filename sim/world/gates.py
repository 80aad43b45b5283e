"""Codes of every gate a run may have: those of segments, and of random events of states that draw."""

from __future__ import annotations

from functools import cache

from sim.ground.paths import contracts_root
from sim.segments import CODES
from sim.shell.contracts.event_tables import event_code, listed_streams


@cache
def drawing_states() -> tuple[str, ...]:
    """States that draw random numbers, by segment and number: those that packaged streams name.

    Raises:
        StorageError: If the streams cannot be read.
    """
    states = {state for _, state in listed_streams(contracts_root())}
    return tuple(sorted(states, key=_place))


@cache
def gates() -> tuple[str, ...]:
    """Every gate a run may have: those of segments in the order of the run, then those of events.

    Raises:
        StorageError: As `drawing_states`.
    """
    return (*CODES, *map(event_code, drawing_states()))


def _place(state: str) -> tuple[int, int]:
    segment, _, step = state.partition(".S")
    return CODES.index(segment), int(step)

"""The order of gates: segments as they are built, then the events of their states, on which no gate rests."""

from __future__ import annotations

from collections.abc import Iterable

from sim.shell.contracts.event_tables import EVENT_GATE


def state_of(code: str) -> str:
    """The state whose events a gate, or a state of that gate, holds."""
    segment, state = code.split(".")[0].removeprefix(EVENT_GATE).split("_")
    return f"{segment}.{state}"


def is_events(code: str) -> bool:
    """Whether a gate holds random events and no part of the world."""
    return code.startswith(EVENT_GATE)


def held_by(code: str, passed: Iterable[str]) -> list[str]:
    """Segments whose flags a gate holds: all that come before it, and no events.

    Those of a state up to the state's own segment.

    Args:
        code: Code of the gate.
        passed: Codes of what passed before it, in the order of the run.
    """
    world = [earlier for earlier in passed if not is_events(earlier)]
    if not is_events(code):
        return world
    own = code.split("_")[1]
    return world[: world.index(own) + 1] if own in world else world

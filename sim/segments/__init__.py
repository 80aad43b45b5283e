"""The model: one folder a segment, one file a state.

Segments never import each other; the order below is the run's.

A segment is imported when `SEGMENTS` is first used: a command that only reads a run needs their codes and not
their programs.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.recipes.drawn import Explained
    from sim.state.program import Segment

    EXPLAINED: Explained
    SEGMENTS: tuple[Segment, ...]

CODES = ("1A", "1B", "2A", "2B", "3A", "3B", "5A", "5B", "6A", "6B")
"""Codes of `SEGMENTS`, in the same order."""

__all__ = ["CODES", "EXPLAINED", "SEGMENTS"]


def __getattr__(name: str) -> Any:
    if name == "SEGMENTS":
        return _segments()
    if name == "EXPLAINED":
        return _explained()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _segments() -> tuple[Segment, ...]:
    from sim.segments.arrivals_5b import SEGMENT as ARRIVALS_5B
    from sim.segments.civil_time_2a import SEGMENT as CIVIL_TIME_2A
    from sim.segments.entities_6a import SEGMENT as ENTITIES_6A
    from sim.segments.flows_6b import SEGMENT as FLOWS_6B
    from sim.segments.intensity_5a import SEGMENT as INTENSITY_5A
    from sim.segments.merchants_1a import SEGMENT as MERCHANTS_1A
    from sim.segments.routing_2b import SEGMENT as ROUTING_2B
    from sim.segments.sites_1b import SEGMENT as SITES_1B
    from sim.segments.virtual_3b import SEGMENT as VIRTUAL_3B
    from sim.segments.zones_3a import SEGMENT as ZONES_3A

    return (
        MERCHANTS_1A,
        SITES_1B,
        CIVIL_TIME_2A,
        ROUTING_2B,
        ZONES_3A,
        VIRTUAL_3B,
        INTENSITY_5A,
        ARRIVALS_5B,
        ENTITIES_6A,
        FLOWS_6B,
    )


@cache
def _explained() -> Explained:
    """How rows of the model are explained: what the `draws.py` of every segment says."""
    from sim.recipes.drawn import Explained
    from sim.segments.arrivals_5b import draws as arrivals_5b
    from sim.segments.entities_6a import draws as entities_6a
    from sim.segments.flows_6b import draws as flows_6b
    from sim.segments.intensity_5a import draws as intensity_5a
    from sim.segments.merchants_1a import draws as merchants_1a
    from sim.segments.routing_2b import draws as routing_2b
    from sim.segments.sites_1b import draws as sites_1b
    from sim.segments.virtual_3b import draws as virtual_3b

    segments = (
        merchants_1a,
        sites_1b,
        routing_2b,
        virtual_3b,
        intensity_5a,
        arrivals_5b,
        entities_6a,
        flows_6b,
    )
    return Explained.together(segment.EXPLAINED for segment in segments)

"""What 6A.S9 counts over its rows as published."""

from __future__ import annotations

from sim.state.counters import Counters, Scalar, Vector


class CircleCounts(Counters):
    """Circles and members as published."""

    drawn = Scalar()
    raced = Scalar()
    seats = Scalar()
    rings = Vector("country")
    honest = Scalar()
    roomless = Scalar()
    wings = Scalar()
    members = Vector("circle_kind")
    circles = Vector("circle_kind")
    twice = Scalar()
    same_metro = Vector("circle_kind")
    in_window = Vector("circle_kind")
    followers = Vector("circle_kind")
    lonely = Scalar()
    helpers = Vector("country")
    mules = Vector("country")

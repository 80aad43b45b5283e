"""5A: the expected demand of each merchant by place and hour."""

from __future__ import annotations

from sim.segments.intensity_5a import (
    s1_profile,
    s2_shapes,
    s3_baseline,
    s4_calendar,
    s5_surfaces,
    s6_merchant_hours,
    s7_merchant_life,
    s8_trade_seasons,
)
from sim.state.program import Segment

SEGMENT = Segment.of(
    2,
    "Demand",
    s1_profile,
    s2_shapes,
    s6_merchant_hours,
    s7_merchant_life,
    s8_trade_seasons,
    s3_baseline,
    s4_calendar,
    s5_surfaces,
)

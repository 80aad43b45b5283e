"""5A: how much each merchant is expected to sell where and when - profiles, weekly shapes, calendars, surfaces."""

from __future__ import annotations

from sim.segments.intensity_5a import s1_profile, s2_shapes, s3_baseline, s4_calendar, s5_surfaces
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="5A",
    layer=2,
    title="Demand",
    programs=(
        Program.of(s1_profile),
        Program.of(s2_shapes),
        Program.of(s3_baseline),
        Program.of(s4_calendar),
        Program.of(s5_surfaces),
    ),
    final="5A.S6",
)

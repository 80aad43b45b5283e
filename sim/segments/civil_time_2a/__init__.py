"""2A: which clock each site goes by, and what the clocks do over the horizon."""

from sim.segments.civil_time_2a import s1_site_timezones, s2_timetable
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="2A",
    layer=1,
    title="Civil time",
    programs=(Program.of(s1_site_timezones), Program.of(s2_timetable)),
    final="2A.S3",
)

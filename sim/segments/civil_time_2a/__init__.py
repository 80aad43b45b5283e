"""2A: which clock each site goes by, and what the clocks do over the horizon."""

from sim.segments.civil_time_2a import s1_site_timezones, s2_timetable
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Civil time", s1_site_timezones, s2_timetable)

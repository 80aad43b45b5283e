"""2A: the time zone of each site, and the clock changes of every zone over the horizon."""

from sim.segments.civil_time_2a import s1_site_timezones, s2_timetable
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Civil time", s1_site_timezones, s2_timetable)

"""3A: the time zones of each merchant, counted from its sites."""

from sim.segments.zones_3a import s1_zone_alloc
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Zones", s1_zone_alloc)

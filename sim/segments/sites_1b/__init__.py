"""1B: the city and the coordinates of each outlet."""

from sim.segments.sites_1b import s1_locations
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Site locations", s1_locations)

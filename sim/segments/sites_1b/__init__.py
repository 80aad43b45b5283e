"""1B: where on earth each outlet is."""

from sim.segments.sites_1b import s1_locations
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Site locations", s1_locations)

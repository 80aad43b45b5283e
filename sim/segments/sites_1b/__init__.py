"""1B: where on earth each outlet is."""

from sim.segments.sites_1b import s1_locations
from sim.state.declaration import Program, Segment

SEGMENT = Segment(code="1B", layer=1, title="Site locations", programs=(Program.of(s1_locations),), final="1B.S2")

"""3A: the time zones a merchant is in, counted from where its sites really are."""

from sim.segments.zones_3a import s1_zone_alloc
from sim.state.declaration import Program, Segment

SEGMENT = Segment(code="3A", layer=1, title="Zones", programs=(Program.of(s1_zone_alloc),), final="3A.S2")

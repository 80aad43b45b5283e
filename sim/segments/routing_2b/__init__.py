"""2B: how a merchant's demand splits over its sites, their terminals and zones."""

from sim.segments.routing_2b import s1_site_weights, s2_alias, s3_group_weights, s4_site_terminals
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Routing weights", s1_site_weights, s2_alias, s3_group_weights, s4_site_terminals)

"""2B: which of a merchant's sites takes an arrival, and how demand splits over its zones."""

from sim.segments.routing_2b import s1_site_weights, s2_alias, s3_group_weights
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="2B",
    layer=1,
    title="Routing weights",
    programs=(Program.of(s1_site_weights), Program.of(s2_alias), Program.of(s3_group_weights)),
    final="2B.S4",
)

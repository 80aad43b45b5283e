"""3B: merchants that sell online, where they settle, and the edges where their customers are."""

from sim.segments.virtual_3b import s1_classification, s2_settlement, s3_edges, s4_edge_tables
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="3B",
    layer=1,
    title="Virtual merchants",
    programs=(Program.of(s1_classification), Program.of(s2_settlement), Program.of(s3_edges), Program.of(s4_edge_tables)),
    final="3B.S5",
)

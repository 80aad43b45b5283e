"""3B: which merchants sell online, where they settle, and the edges where their customers are."""

from sim.segments.virtual_3b import s1_classification, s2_settlement, s3_edges, s4_edge_tables
from sim.state.program import Segment

SEGMENT = Segment.of(
    1,
    "Virtual merchants",
    s1_classification,
    s2_settlement,
    s3_edges,
    s4_edge_tables,
)

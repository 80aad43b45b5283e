"""5B: single arrivals from expected demand: latent co-movement, counts, instants, routes, and an audit."""

from sim.segments.arrivals_5b import (
    s1_grid_and_groups,
    s2_latent_field,
    s3_bucket_counts,
    s4_arrival_events,
    s5_audit,
)
from sim.state.program import Segment

SEGMENT = Segment.of(
    2,
    "Arrivals",
    s1_grid_and_groups,
    s2_latent_field,
    s3_bucket_counts,
    s4_arrival_events,
    s5_audit,
)

"""5B: from expected demand to single arrivals - latent co-movement, counts, instants, routes - and their audit."""

from sim.segments.arrivals_5b import s1_grid_and_groups, s2_latent_field, s3_bucket_counts, s4_arrival_events, s5_audit
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="5B",
    layer=2,
    title="Arrivals",
    programs=(
        Program.of(s1_grid_and_groups),
        Program.of(s2_latent_field),
        Program.of(s3_bucket_counts),
        Program.of(s4_arrival_events),
        Program.of(s5_audit),
    ),
    final="5B.S5",
)

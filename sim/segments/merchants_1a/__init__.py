"""1A: who the merchants are, and how many outlets each has in which countries."""

from sim.segments.merchants_1a import s1_merchants, s2_outlets, s3_audit
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="1A",
    layer=1,
    title="Merchants and outlets",
    programs=(Program.of(s1_merchants), Program.of(s2_outlets), Program.of(s3_audit)),
    final="1A.S3",
)

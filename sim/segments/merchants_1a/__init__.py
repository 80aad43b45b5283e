"""1A: the merchants, and how many outlets each has in which countries."""

from sim.segments.merchants_1a import s1_merchants, s2_outlets, s3_audit
from sim.state.program import Segment

SEGMENT = Segment.of(1, "Merchants and outlets", s1_merchants, s2_outlets, s3_audit)

"""1A: the merchants, how many outlets each has in which countries, and what they are called."""

from sim.segments.merchants_1a import s1_merchants, s2_outlets, s3_audit, s4_acquirers, s5_identity
from sim.state.program import Segment

_STATES = (s1_merchants, s2_outlets, s3_audit, s4_acquirers, s5_identity)

SEGMENT = Segment.of(1, "Merchants and outlets", *_STATES)

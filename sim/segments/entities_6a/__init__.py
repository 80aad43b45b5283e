"""6A: who pays - parties, accounts, instruments, devices, IP addresses - and which of them commit fraud."""

from __future__ import annotations

from sim.segments.entities_6a.s1_parties import state as s1_parties
from sim.segments.entities_6a.s2_accounts import state as s2_accounts
from sim.segments.entities_6a.s3_instruments import state as s3_instruments
from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.segments.entities_6a.s6_fraud_roles import state as s6_fraud_roles
from sim.segments.entities_6a.s7_audit import state as s7_audit
from sim.segments.entities_6a.s8_abroad import state as s8_abroad
from sim.segments.entities_6a.s9_circles import state as s9_circles
from sim.state.program import Segment

SEGMENT = Segment.of(
    3,
    "Entities",
    s1_parties,
    s2_accounts,
    s3_instruments,
    s9_circles,
    s4_devices,
    s8_abroad,
    s5_network,
    s6_fraud_roles,
    s7_audit,
    present=("arrival_events_5B",),
)

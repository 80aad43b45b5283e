"""6A: who pays, with what, from where - parties, accounts, instruments, devices, addresses, and who of them means harm."""

from __future__ import annotations

from sim.segments.entities_6a.s1_parties import state as s1_parties
from sim.segments.entities_6a.s2_accounts import state as s2_accounts
from sim.segments.entities_6a.s3_instruments import state as s3_instruments
from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.segments.entities_6a.s6_fraud_roles import state as s6_fraud_roles
from sim.segments.entities_6a.s7_audit import state as s7_audit
from sim.state.declaration import Program, Segment

SEGMENT = Segment(
    code="6A",
    layer=3,
    title="Entities",
    programs=(
        Program.of(s1_parties),
        Program.of(s2_accounts),
        Program.of(s3_instruments),
        Program.of(s4_devices),
        Program.of(s5_network),
        Program.of(s6_fraud_roles),
        Program.of(s7_audit),
    ),
    final="6A.S7",
    present=("arrival_events_5B",),
)

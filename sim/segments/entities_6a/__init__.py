"""6A: who pays, with what, from where - parties, accounts, instruments, devices, addresses, and who of them means harm."""

from __future__ import annotations

from sim.segments.entities_6a import s1_parties, s2_accounts, s3_instruments, s4_devices, s5_network, s6_fraud_roles, s7_audit
from sim.shell.state import Program, Segment

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

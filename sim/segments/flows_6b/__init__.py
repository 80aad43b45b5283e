"""6B: who paid - each arrival is the payment of a party, from behaviour, catchments and trips."""

from __future__ import annotations

from sim.segments.flows_6b.s1_behaviour import state as s1_behaviour
from sim.segments.flows_6b.s2_catchments import state as s2_catchments
from sim.segments.flows_6b.s3_trips import state as s3_trips
from sim.segments.flows_6b.s4_payers import state as s4_payers
from sim.segments.flows_6b.s5_flows import state as s5_flows
from sim.segments.flows_6b.s7_visitors import state as s7_visitors
from sim.segments.flows_6b.s8_exchange import state as s8_exchange
from sim.segments.flows_6b.s9_shops import state as s9_shops
from sim.state.program import Segment

SEGMENT = Segment.of(
    3, "Flows", s1_behaviour, s2_catchments, s3_trips, s7_visitors, s4_payers, s8_exchange, s9_shops, s5_flows
)

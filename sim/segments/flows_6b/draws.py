"""How rows of 6B find their draws: for `closedworld explain`. One file a state."""

from __future__ import annotations

from sim.recipes.drawn import Explained
from sim.segments.flows_6b.s1_behaviour import draws as behaviour
from sim.segments.flows_6b.s3_trips import draws as trips
from sim.segments.flows_6b.s4_payers import draws as payers
from sim.segments.flows_6b.s5_flows import draws as flows
from sim.segments.flows_6b.s7_visitors import draws as visitors
from sim.segments.flows_6b.s8_exchange import draws as exchange
from sim.segments.flows_6b.s9_shops import draws as shops

_STATES = (behaviour, trips, visitors, payers, exchange, shops, flows)

EXPLAINED = Explained.together(state.EXPLAINED for state in _STATES)
"""How rows of 6B are explained."""

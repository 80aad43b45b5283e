"""How rows of 6A find their draws: for `closedworld explain`.

One file a state; `draw_keys.py` has what they share.
"""

from __future__ import annotations

from sim.recipes.drawn import Explained
from sim.segments.entities_6a.s1_parties import draws as parties
from sim.segments.entities_6a.s2_accounts import draws as accounts
from sim.segments.entities_6a.s3_instruments import draws as instruments
from sim.segments.entities_6a.s4_devices import draws as devices
from sim.segments.entities_6a.s5_network import draws as network
from sim.segments.entities_6a.s6_fraud_roles import draws as fraud_roles
from sim.segments.entities_6a.s8_abroad import draws as abroad
from sim.segments.entities_6a.s9_circles import draws as circles

_STATES = (parties, accounts, instruments, devices, abroad, network, fraud_roles, circles)

EXPLAINED = Explained.together(state.EXPLAINED for state in _STATES)
"""How rows of 6A are explained."""

"""Codes of every gate a run may have: those of segments, and of random events of states that draw."""

from __future__ import annotations

from sim.segments import CODES, DRAWING
from sim.shell.contracts.event_tables import event_code

GATES = (*CODES, *map(event_code, DRAWING))

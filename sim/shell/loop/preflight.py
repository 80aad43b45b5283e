"""What the request alone decides is refused at once, by `plan` and by `run`, before any state has run.

A state says in `preflight` which requests it could never serve: dates without a calendar, priors that
contradict themselves, places that are nowhere. Preflights decide nothing but refusal, so they may look at the
whole configuration, reference and user input - more than the state declares and its segment seals -, and at
nothing that is built.
"""

from __future__ import annotations

from dataclasses import replace

from sim.backends import Backend
from sim.shell.request.request import Prepared
from sim.shell.request.request_context import context_for
from sim.shell.tables.reference import TABLES
from sim.state.inputs import Inputs
from sim.state.program import Program


def require_possible(prepared: Prepared, backend: Backend, store: Inputs) -> None:
    """Ask every state whether it could serve this request.

    Args:
        prepared: The request.
        backend: For states whose preflight asks a kernel.
        store: Of the run; only its reference and vocabularies are used.

    Raises:
        SimError: What the first state refused, in build order.
    """
    for program in (program for segment in prepared.model.segments for program in segment.programs):
        if program.preflight is not None:
            program.preflight(context_for(_seeing_all(program, prepared), prepared, backend, store))


def _seeing_all(program: Program, prepared: Prepared) -> Program:
    packs, inputs = tuple(prepared.configuration.params), tuple(prepared.model.inputs)
    state = replace(program.state, config=packs, reference=TABLES, external=inputs, reads={})
    return replace(program, state=state)

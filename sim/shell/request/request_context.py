"""The context of a state for one request: what its compute, plan, checks and preflight may see."""

from __future__ import annotations

from sim.backends import Backend
from sim.shell.request.request import Prepared
from sim.state.context import Context
from sim.state.inputs import Inputs
from sim.state.program import Program


def context_for(program: Program, prepared: Prepared, backend: Backend, inputs: Inputs) -> Context:
    """What a state of this request may see."""
    return Context(
        program.state,
        seed=prepared.request.seed,
        scenarios=prepared.scenarios,
        configs=prepared.configuration.params,
        contracts=prepared.contracts,
        inputs=inputs,
        backend=backend,
        externals=prepared.externals,
    )

"""The context of a state for one request: what its compute, plan, checks and preflight may see."""

from __future__ import annotations

from sim.backends import Backend
from sim.shell.request.request import Prepared
from sim.shell.runs.store import Store
from sim.state.context import Context
from sim.state.declaration import Program


def context_for(program: Program, prepared: Prepared, backend: Backend, store: Store) -> Context:
    """What a state of this request may see."""
    return Context(
        program.state,
        seed=prepared.request.seed,
        scenarios=prepared.scenarios,
        configs=prepared.configuration.params,
        contracts=prepared.contracts,
        store=store,
        backend=backend,
        externals=prepared.externals,
    )

"""A rehearsal: the states behind some datasets, computed in memory, nothing published.

Rows are a function of their addresses, so these are the rows a run will publish.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.backends import Backend
from sim.shell.request.request import Prepared
from sim.shell.request.request_context import context_for
from sim.shell.runs.memory_store import MemoryStore
from sim.state.program import Program


def rehearse(prepared: Prepared, backend: Backend, *datasets: str) -> MemoryStore:
    """Rows of datasets and of every dataset behind them.

    Args:
        prepared: The request.
        backend: Where kernels run.
        datasets: The last datasets wanted.

    Raises:
        SimError: Whatever one of these states would refuse in a run.
    """
    store = MemoryStore(prepared.vocabularies, prepared.reference, prepared.contracts, prepared.request.seed)
    for program in _needed(prepared, datasets):
        ctx = context_for(program, prepared, backend, store)
        assert program.compute is not None
        for part in program.partitions(ctx):
            for made, frame in program.compute(ctx.for_partition(part), part).items():
                store.parts.setdefault(made, []).append(frame)
    return store


def _needed(prepared: Prepared, datasets: Iterable[str]) -> list[Program]:
    """The states behind datasets, in build order."""
    programs = [program for segment in prepared.model.segments for program in segment.programs]
    wanted, found = set(datasets), []
    for program in reversed(programs):
        if wanted & set(program.state.writes):
            found.append(program)
            wanted |= set(program.state.reads)
    return found[::-1]

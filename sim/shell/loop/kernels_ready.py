"""Kernels are compiled once a machine, before any state begins, with a progress bar; no state is charged."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from sim.backends import Backend
from sim.executors import Executor
from sim.shell.events.events import KernelsCompiling, Reporter
from sim.shell.loop.telling import states_until
from sim.shell.publish.gate import FLAG_NAME, gates_dir, state_path
from sim.state.program import Segment


def compile_missing(
    backend: Backend,
    run_dir: Path,
    segments: Sequence[Segment],
    until: str | None,
    executor: Executor | None,
    reporter: Reporter,
) -> None:
    """Compile what the states to come will call and this machine has not compiled yet.

    Args:
        backend: Where kernels run.
        run_dir: The run's directory; what is published there is not computed again.
        segments: The model.
        until: Segment or state the run ends with.
        executor: Who computes; workers on other machines compile for themselves.
        reporter: Receives progress.
    """
    if backend.compiled is None or (executor is not None and executor.threads == 0):
        return
    asked = set(states_until(segments, until))
    to_run = [
        program.state
        for segment in segments
        if not (gates_dir(run_dir, segment.code) / FLAG_NAME).is_file()
        for program in segment.programs
        if program.state.id in asked and not state_path(run_dir, program.state.id).is_file()
    ]
    missing = (
        backend.compiled.missing(kernel for state in to_run for kernel in state.kernels) if to_run else []
    )
    if not missing:
        return
    started = time.monotonic()

    def tell(done: int) -> None:
        reporter.tell(
            KernelsCompiling(backend.name, done, len(missing), round(time.monotonic() - started, 3))
        )

    tell(0)
    backend.compiled.compile(missing, len(os.sched_getaffinity(0)), tell)

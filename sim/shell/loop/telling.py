"""Events (`events.py`) made of what the run loop knows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.backends import Backend
from sim.executors import Executor
from sim.shell.events.events import InputRead, RunBegan, SegmentPassed, SegmentSealed, StateEnded
from sim.shell.publish.bundle import Bundle
from sim.shell.request.request import Prepared
from sim.shell.runs.runs_report import StateRow
from sim.state.declaration import METADATA_ONLY
from sim.state.program import Program, Segment

_METHODS = {
    "UPSTREAM_EGRESS": "SHA-256 of each file when it is first opened, against its producer's manifest",
    "UPSTREAM_GATE_BUNDLE": "SHA-256 of the index, against the flag",
    "UPSTREAM_GATE_FLAG": "SHA-256 of the flag, and its text made anew from the index",
    "REFERENCE": "SHA-256 of the file that was read",
    "EXTERNAL_INPUT": "SHA-256 of what was read",
    "CONTRACT": "SHA-256 of the canonical content of every contract",
}
_CONFIG = "SHA-256 of the resolved content, parsed strictly and validated by its schema"


def states_until(segments: Sequence[Segment], until: str | None) -> list[str]:
    """Ids of the states a run builds, in order: up to a segment, or a state, or all."""
    ids = []
    for segment in segments:
        for program in segment.programs:
            ids.append(program.state.id)
            if program.state.id == until:
                return ids
        if segment.code == until:
            break
    return ids


def place_of(segments: Sequence[Segment], until: str | None, state: str) -> tuple[int, int]:
    """Which state of the run a state is, of how many; a segment's gate counts as its last."""
    ids = states_until(segments, until)
    last = [
        place
        for place, one in enumerate(ids, start=1)
        if one == state or one.partition(".")[0] == state.partition(".")[0]
    ]
    return (ids.index(state) + 1 if state in ids else max(last, default=len(ids))), len(ids)


def run_began(
    run_dir: Path, prepared: Prepared, backend: Backend, executor: Executor, until: str | None
) -> list[RunBegan | InputRead]:
    """The events that begin a run; what the user's own files were found to hold is among them."""
    request = prepared.request
    began = RunBegan(
        run_id=prepared.run_id,
        run_dir=str(run_dir),
        preset=request.preset,
        seed=request.seed,
        scenarios=tuple(prepared.scenarios),
        backend=backend.name,
        why=backend.why,
        executor=executor.name,
        workers=executor.threads,
        states=len(states_until(prepared.model.segments, until)),
        until=until,
    )
    return [began, *(InputRead(one.name, tuple(one.echo())) for one in prepared.supplied.values())]


def sealed(
    segment: Segment, upstream: Mapping[str, Bundle], rows: Iterable[Mapping[str, Any]]
) -> SegmentSealed:
    """A segment's open gates and sealed inputs."""
    gates = [
        {"segment": code, "bundle_sha256": bundle.digest, "flag_sha256": bundle.flag_sha256}
        for code, bundle in sorted(upstream.items())
    ]
    inputs = [
        {
            "key": str(row["manifest_key"]),
            "path": str(row["path_template"]),
            "role": str(row["role"]),
            "status": str(row["status"]),
            "read_scope": str(row["read_scope"]),
            "sha256": str(row["sha256_hex"]),
            "method": _method(row),
        }
        for row in rows
    ]
    return SegmentSealed(segment.code, segment.title, tuple(gates), tuple(inputs))


def _method(row: Mapping[str, Any]) -> str:
    if row["role"] == "UPSTREAM_EGRESS" and row["read_scope"] == METADATA_ONLY:
        return "number, names and sizes of files and its producer's digests; not opened"
    if row["status"] == "IGNORED":
        return "none: it was not given"
    return _METHODS.get(row["role"], _CONFIG)


def passed(bundle: Bundle, taken_over: bool) -> SegmentPassed:
    """A segment's flag lies there."""
    rows, size = sum(item.rows for item in bundle.datasets), sum(item.bytes for item in bundle.datasets)
    return SegmentPassed(
        bundle.segment, bundle.digest, len(bundle.checks), len(bundle.datasets), rows, size, taken_over
    )


def objective(program: Program) -> str:
    """What a state is for: the first line of its module, or its title where that says something else."""
    functions = [
        one for one in (program.compute, program.plan, program.finish, program.checks) if one is not None
    ]
    for function in functions:
        said = (
            (getattr(sys.modules.get(function.__module__), "__doc__", None) or "").strip().partition("\n")[0]
        )
        if said.startswith(f"{program.state.id}: "):
            return said.removeprefix(f"{program.state.id}: ").rstrip(".")
    return program.state.title


def ended(title: str, row: StateRow, note: str) -> StateEnded:
    """A state's row of the run report, as the event that ends it."""
    return StateEnded(
        row.state,
        title,
        row.status,
        row.rows,
        row.wall_ms / 1000,
        row.partitions_resumed,
        row.error_code,
        note,
    )

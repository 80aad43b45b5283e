"""A dry run: what a request would build, what of it is published already, and how big it may get.

Nothing is written.

Of what is published, names, kinds and sizes are looked at; `run` hashes what it takes over from a segment
that has not passed, and every file that a state reads.

A plan counts partitions where the inputs they depend on are published. Volumes of what is not built yet are
estimates, and say so.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sim.backends import Backend
from sim.ground.errors import StorageError
from sim.shell.loop.preflight import require_possible
from sim.shell.loop.rehearsal import rehearse
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import require_state, state_path
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.publish.space import existing_folder
from sim.shell.request.request import Prepared
from sim.shell.request.request_context import context_for
from sim.shell.runs.opened import require_passed
from sim.shell.runs.store import Store
from sim.state.program import Program, Segment
from sim.state.records import Published


@dataclass(frozen=True)
class PlannedState:
    """One state of a plan.

    Attributes:
        status: `published` (by an earlier run, its segment perhaps not yet passed; sizes checked, bytes not
            read) or `to run`.
        partitions: How many partitions it would compute, or None where that depends on rows not built yet.
        staged: Partitions an interrupted run left behind; they are verified before they are used again.
        rows: Rows of a published state, else None.
    """

    segment: str
    state: str
    title: str
    status: str
    partitions: int | None
    staged: int
    rows: int | None


@dataclass(frozen=True)
class Plan:
    """What a request would do."""

    run_id: str
    run_dir: str
    fingerprint: str
    parameter_hash: str
    seed: int
    scenarios: tuple[str, ...]
    states: tuple[PlannedState, ...]
    estimate: Mapping[str, Any]
    published_bytes: int
    free_bytes: int

    def as_json(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            **asdict(self),
            "states": [asdict(state) for state in self.states],
            "estimate": dict(self.estimate),
        }


def plan_run(prepared: Prepared, backend: Backend, out: Path) -> Plan:
    """Plan a request.

    Args:
        prepared: The request, hashed.
        backend: For states whose plan asks a kernel.
        out: Directory that holds run directories; need not exist.

    Raises:
        SimError: Whatever would refuse the run itself before its first state that is not published.
    """
    run_dir, segments = out / prepared.run_id, prepared.model.segments
    store = Store(
        run_dir, prepared.contracts, prepared.reference, prepared.vocabularies, prepared.request.seed
    )
    require_possible(prepared, backend, store)
    require_space(prepared, out)
    bundles: dict[str, Bundle] = {}
    states: list[PlannedState] = []
    published: list[Published] = []
    for segment in segments:
        passed = (run_dir / "gates" / segment.code / "_passed.flag").is_file()
        if passed:
            codes = [one.code for one in segments]
            bundles[segment.code] = require_passed(run_dir, segment.code, codes, prepared.identity, bundles)
        for program in segment.programs:
            path = state_path(run_dir, program.state.id)
            if path.is_file():
                manifest = StateManifest.decode(read_published(path), str(path))
                if not passed:
                    require_state(run_dir, manifest, deep=False)
                store.register(manifest.datasets)
                published += manifest.datasets
                rows = sum(item.rows for item in manifest.datasets)
                states.append(_planned(segment, program, "published", None, 0, rows))
            else:
                partitions = _partitions(program, prepared, store, backend)
                receipts = run_dir / "staging" / program.state.id / "receipts"
                staged = sum(1 for entry in receipts.glob("*.json")) if receipts.is_dir() else 0
                states.append(_planned(segment, program, "to run", partitions, staged, None))
    return Plan(
        run_id=prepared.run_id,
        run_dir=str(run_dir),
        fingerprint=prepared.fingerprint,
        parameter_hash=prepared.parameter_hash,
        seed=prepared.request.seed,
        scenarios=prepared.scenarios,
        states=tuple(states),
        estimate=_estimate(prepared, backend),
        published_bytes=sum(item.bytes for item in published),
        free_bytes=shutil.disk_usage(existing_folder(run_dir)).free,
    )


def _estimate(prepared: Prepared, backend: Backend) -> Mapping[str, Any]:
    """Rough volumes, by a rehearsal where the model asks for one."""
    model = prepared.model
    return (
        {} if model.estimate is None else model.estimate(prepared.facts, partial(rehearse, prepared, backend))
    )


def require_space(prepared: Prepared, out: Path) -> None:
    """Refuse a run whose world clearly does not fit on the disk.

    That is: less than half of the estimate is free, not counting what the run directory already holds. Half,
    because estimates are rough and a refusal here should never be wrong. A disk that fills up later stops the
    run too, and the run keeps what was finished by then.

    Raises:
        StorageError: `SHELL.DISK_TOO_SMALL`.
    """
    run_dir = out / prepared.run_id
    existing = existing_folder(run_dir)
    free = shutil.disk_usage(existing).free
    if prepared.model.estimate is None:
        return
    whole = prepared.model.estimate(prepared.facts, None)["bytes"]
    if free >= whole // 2:
        return  # whatever is there already: looking at every file of a large run takes seconds
    there = sum(
        path.lstat().st_size
        for part in ("data", "staging")
        for path in (run_dir / part).rglob("*")
        if path.is_file()
    )
    needed = max(0, whole - there)
    if free < needed // 2:
        raise StorageError(
            "SHELL.DISK_TOO_SMALL",
            "there is clearly not enough space for this world; nothing was started",
            found=f"{free:,} bytes free",
            expected=f"about {needed:,} bytes needed",
            where=str(existing),
            do=(
                "free some space, choose another --out, or a smaller world (closedworld plan estimates "
                "without building)"
            ),
        )


def _partitions(program: Program, prepared: Prepared, store: Store, backend: Backend) -> int | None:
    if program.plan is None:
        return len(prepared.scenarios) if program.state.per_scenario else 1
    ctx = context_for(program, prepared, backend, store)
    if not all(store.holds(*key) for key in ctx.to_read()):
        return None
    return len(program.partitions(ctx))


def _planned(
    segment: Segment, program: Program, status: str, partitions: int | None, staged: int, rows: int | None
) -> PlannedState:
    return PlannedState(segment.code, program.state.id, program.state.title, status, partitions, staged, rows)

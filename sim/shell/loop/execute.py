"""One state: plan -> compute each partition -> check every row -> digest -> stage -> publish -> manifest."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset
from sim.ground.errors import ValidationError
from sim.ground.identity import canonical_json, code_digest, named_digest, sha256_bytes
from sim.shell.events.events import Checked, PartitionEnded, Stage, StateBegan
from sim.shell.loop.telling import objective
from sim.shell.partition.partition import FINISH, StateRun, check_row, on_backend, stage_frames
from sim.shell.partition.staging import PartitionResult, Staging
from sim.shell.partition.sums import RunningSums
from sim.shell.publish.documents import LEAST_ENTRY_BYTES, require_readable
from sim.shell.publish.gate import state_path
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.measurements import INFO
from sim.shell.publish.publish import publish_directory, publish_document
from sim.shell.tables.digest import combine_digests
from sim.shell.tables.key_ranges import check_key_ranges
from sim.shell.workers.dispatch import compute_all
from sim.state.context import Context
from sim.state.declaration import Check, Measurement, Partition
from sim.state.program import Program
from sim.state.records import Published
from sim.state.switches import named


def execute(
    program: Program, ctx: Context, run: StateRun, inputs_digest: str
) -> tuple[StateManifest, str, int]:
    """Run a state to its manifest.

    Args:
        program: The state.
        ctx: Its context.
        run: Where and how.
        inputs_digest: Digest of the seal and of the manifests of earlier states of the segment.

    Returns:
        The published manifest, its SHA-256, and the number of partitions taken over from an interrupted
        attempt.

    Raises:
        ContractError: `SHELL.TOO_MANY_FILES`: more partitions than a manifest can list; if that is sure,
            before any is computed.
        ValidationError: A contract or model check failed; staging went to quarantine, nothing was published.
    """
    try:
        return _executed(program, ctx, run, inputs_digest)
    finally:
        ctx.forget_shared()


def _executed(
    program: Program, ctx: Context, run: StateRun, inputs_digest: str
) -> tuple[StateManifest, str, int]:
    state = program.state
    plan = on_backend(program, ctx, run, None, lambda: program.partitions(ctx))
    if state.writes:
        require_readable(len(plan) * LEAST_ENTRY_BYTES, len(plan), state.id)
    staging = Staging(run.run_dir / "staging", state.id, _binding(plan, inputs_digest))
    staging.prepare()
    run.reporter.tell(StateBegan(state.id, state.title, objective(program), *run.place, len(plan)))
    order = sorted(plan, key=lambda part: -part.weight)
    if run.order_seed is not None:
        random.Random(run.order_seed).shuffle(order)
    missing = {part.name: place for place, part in enumerate(plan)}
    if len(missing) != len(plan):
        raise ValueError(f"{state.id} plans {len(plan)} partitions with {len(missing)} names")
    sums = RunningSums(state)
    todo = []
    for part in order:
        before = staging.finished(part.name, part.scenario)
        if before is None:
            todo.append(part)
        else:
            sums.add(missing.pop(part.name), part.scenario, before)
            _ended(run, state.id, before, True)
    reused = len(plan) - len(todo)
    if program.compute is not None:
        for part, result in compute_all(program, ctx, run, staging, todo):
            sums.add(missing.pop(part.name), part.scenario, result)
            _ended(run, state.id, result, False)
    if missing:
        raise RuntimeError(
            f"{len(missing)} of {len(plan)} partitions of {state.id} never came, {next(iter(missing))} "
            "among them"
        )
    run.reporter.tell(Stage(state.id, "", "concluding"))
    manifest, digest = _conclude(program, ctx, run, staging, sums, len(plan))
    staging.discard()
    return manifest, digest, reused


def _ended(run: StateRun, state: str, result: PartitionResult, resumed: bool) -> None:
    run.so_far.rows += result.rows
    run.so_far.resumed += resumed
    run.reporter.tell(PartitionEnded(state, result.name, result.rows, resumed))


def _binding(plan: list[Partition], inputs_digest: str) -> str:
    """Digest of everything finished partitions depend on."""
    spec = canonical_json([[part.index, part.scenario, dict(part.spec)] for part in plan])
    return named_digest(
        "staging", [("inputs", inputs_digest), ("code", code_digest()), ("plan", sha256_bytes(spec))]
    )


def _conclude(
    program: Program, ctx: Context, run: StateRun, staging: Staging, sums: RunningSums, end: int
) -> tuple[StateManifest, str]:
    """Check what spans partitions, publish, write the manifest.

    `end` is the place after the last partition's.
    """
    state = program.state
    totals = sums.totals(ctx)
    grouped = dict(sums.files())
    if program.finish is not None:
        last = PartitionResult(FINISH, {}, [], {}, [])
        finish = program.finish
        frames = on_backend(program, ctx, run, None, lambda: finish(ctx, totals))
        stage_frames(program, run, staging, None, "part-00000.parquet", frames, last)
        sums.add_checks(end, last.checks)
        for dataset_id, file in last.files.items():
            grouped[(dataset_id, None)] = [file]
    published = [
        Published(
            dataset=dataset_id,
            scenario=scenario,
            path=_path(run, run.contracts.dataset(dataset_id), scenario),
            files=tuple(files),
            content_blake3=combine_digests([file.content_blake3 for file in files]),
        )
        for (dataset_id, scenario), files in sorted(
            grouped.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")
        )
    ]
    for item in published:
        across = check_key_ranges([file.keys for file in item.files], run.contracts.dataset(item.dataset))
        sums.add_checks(end, [check_row(item.dataset, check) for check in across])
    failed = sums.failed()
    asked = ctx.to_publish()
    missing = sorted(named(key) for key in asked - set(grouped))
    if not set(grouped) <= asked:
        raise ValueError(
            f"{state.id} made what is switched off: {sorted(named(key) for key in set(grouped) - asked)}"
        )
    checked = None if failed or missing else program.checks
    model = [] if checked is None else list(on_backend(program, ctx, run, None, lambda: checked(ctx, totals)))
    checks = sums.checks() + [_model_row(check) for check in model]
    run.reporter.tell(Checked(state.id, tuple(checks)))
    if failed or missing or not all(check.passed for check in model):
        _refuse(program, staging, failed, missing, model)
    measure = program.measure
    figures = [] if measure is None else on_backend(program, ctx, run, None, lambda: measure(ctx, totals))
    measured = [_measured_row(figure) for figure in figures]
    manifest = StateManifest(
        state.id, run.identity, tuple(published), tuple(checks), tuple(sums.ledger()), tuple(measured)
    )
    data = manifest.encode()
    run.reporter.tell(Stage(state.id, "", "publishing"))
    for item in published:
        names = {file.name: file.file_sha256 for file in item.files}
        staging.drop_strangers(item.dataset, item.scenario, names)
        publish_directory(staging.directory(item.dataset, item.scenario), run.run_dir / item.path, names)
    publish_document(staging.path, state_path(run.run_dir, state.id), data, "A state is published once.")
    return manifest, sha256_bytes(data)


def _path(run: StateRun, dataset: Dataset, scenario: str | None) -> str:
    values = {
        "seed": run.identity["seed"],
        "manifest_fingerprint": run.identity["manifest_fingerprint"],
        "scenario_id": scenario,
    }
    return "/".join([dataset.path, *(f"{key}={values[key]}" for key in dataset.partitioning)])


def _model_row(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "passed": check.passed,
        "found": check.found,
        "expected": check.expected,
        "note": check.note,
    }


def _measured_row(figure: Measurement) -> dict[str, Any]:
    return {
        "name": figure.name,
        "severity": INFO,
        "found": figure.found,
        "unit": figure.unit,
        "note": figure.note,
    }


def _refuse(
    program: Program, staging: Staging, failed: list[dict[str, Any]], missing: list[str], model: list[Check]
) -> None:
    kept = staging.quarantine()
    examples = [
        (
            f"{row['dataset']}: {row['name']}: found {row['found']}, expected {row['expected']} "
            f"{' | '.join(row['examples'][:2])}"
        )
        for row in failed
    ]
    examples += [f"{dataset}: not written" for dataset in missing]
    examples += [
        f"{check.name}: found {_plain(check.found)}, expected {_plain(check.expected)} {check.note}"
        for check in model
        if not check.passed
    ]
    raise ValidationError(
        f"{program.state.id}.CHECKS_FAILED",
        f"{program.state.title}: {len(examples)} check(s) failed, nothing was published",
        examples=examples,
        total=len(examples),
        where=str(kept),
        do=(
            f"look at the quarantined files; then correct the config the check names{_bounds(program)} and "
            "run again (another run id)"
        ),
    )


def _bounds(program: Program) -> str:
    """Where a user finds the bounds that a state's checks hold it to."""
    gates = [name for name in program.state.config if name.startswith("realism_gates")]
    return f", or its bounds in {', '.join(gates)} (--set {gates[0]}.KEY=VALUE)," if gates else ""


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value

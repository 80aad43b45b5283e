"""One partition: compute, check every row, encode, stage, digest. Which partitions there are and what becomes of them: `execute.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.backends.binder import KernelFailure
from sim.shell.check_result import CheckResult
from sim.shell.checks import check_frame
from sim.shell.context import Context
from sim.shell.contract_types import Contracts, ForeignKey
from sim.shell.digest import table_digest
from sim.shell.errors import StorageError, ValidationError
from sim.shell.foreign_keys import KeyIndex, check_foreign_key
from sim.shell.key_ranges import key_range
from sim.shell.manifest import PartFile
from sim.shell.progress import Reporter
from sim.shell.staging import PartitionResult, Staging
from sim.shell.state import Frames, Partition, Program
from sim.shell.store import Store
from sim.shell.tables import encode_parquet


@dataclass(frozen=True)
class StateRun:
    """Everything one state execution needs besides its program.

    Attributes:
        run_dir: Run directory.
        identity: run_id, seed, parameter_hash, manifest_fingerprint, scenarios.
        contracts: Compiled contracts.
        store: Readable inputs.
        workers: Threads.
        order_seed: Shuffles the order in which partitions are computed (tests); None keeps plan order.
        reporter: Who is told about progress.
        key_indexes: Look-ups of referenced tables, built once and shared by partitions.
    """

    run_dir: Path
    identity: Mapping[str, Any]
    contracts: Contracts
    store: Store
    workers: int
    order_seed: int | None
    reporter: Reporter
    key_indexes: dict[tuple[str, str | None, tuple[str, ...]], KeyIndex] = field(default_factory=dict)


def compute_partition(program: Program, ctx: Context, run: StateRun, staging: Staging, part: Partition) -> PartitionResult:
    """Compute a partition, check and stage its frames, leave a receipt.

    Raises:
        ValidationError: A kernel refused a row.
        StorageError: `SHELL.OUT_OF_MEMORY`, or an I/O failure while staging.
    """
    try:
        return _compute(program, ctx, run, staging, part)
    except MemoryError as error:
        raise StorageError(
            "SHELL.OUT_OF_MEMORY",
            f"memory ran out while computing partition {part.name} of {program.state.id}",
            found=f"{error or 'allocation refused'}, {run.workers} worker(s)",
            where=str(staging.path),
            do=f"run again with --workers {max(1, run.workers // 2)}"
            + ("" if run.workers > 1 else " in more memory")
            + ": finished partitions are kept",
        ) from error


def _compute(program: Program, ctx: Context, run: StateRun, staging: Staging, part: Partition) -> PartitionResult:
    assert program.compute is not None
    inner = ctx.for_partition(part)
    try:
        frames = program.compute(inner, part)
    except KernelFailure as failure:
        raise ValidationError(
            f"{program.state.id}.{failure.name}",
            f"a kernel refused a row while computing partition {part.name}",
            found=str(failure),
            do="this is an impossible value in the model: check the priors this state reads",
        ) from failure
    result = PartitionResult(part.name, {}, [], {}, [])
    stage_frames(program, run, staging, part.scenario, f"part-{part.index:05d}.parquet", frames, result)
    result.counters = {name: value.tolist() for name, value in inner.counters.items()}
    result.ledger = list(inner.ledger_rows.values())
    staging.record(result)
    return result


def stage_frames(
    program: Program, run: StateRun, staging: Staging, scenario: str | None, name: str, frames: Frames, result: PartitionResult
) -> None:
    """Check every row of the frames against contracts, then stage them as files; a frame that fails is recorded, not staged."""
    for dataset_id, frame in frames.items():
        if dataset_id not in program.state.writes:
            raise ValueError(f"{program.state.id} returned {dataset_id!r}, which it does not declare to write")
        dataset = run.contracts.dataset(dataset_id)
        checks = check_frame(frame, dataset, run.store.vocabularies)
        checks += [check_foreign_key(frame, fk, _referenced(run, fk, scenario)) for fk in dataset.foreign_keys]
        result.checks += [check_row(dataset_id, check) for check in checks]
        if not all(check.passed for check in checks):
            continue
        metadata = {**{key: str(value) for key, value in run.identity.items()}, "dataset": dataset_id, "scenario": scenario or ""}
        data = encode_parquet(frame, dataset, run.store.vocabularies, metadata)
        sha256 = staging.write(dataset_id, scenario, name, memoryview(data))
        digest = table_digest(frame, dataset, run.store.vocabularies)
        result.files[dataset_id] = PartFile(name, len(data), len(frame), sha256, digest, key_range(frame, dataset))


def _referenced(run: StateRun, key: ForeignKey, scenario: str | None) -> KeyIndex:
    own = scenario if scenario in run.store.scenarios(key.dataset) else None
    name = (key.dataset, own, key.to)
    index = run.key_indexes.get(name)
    if index is None:
        index = KeyIndex(run.store.load(key.dataset, own, columns=key.to), key.to)
        run.key_indexes[name] = index
    return index


def check_row(dataset: str, check: CheckResult) -> dict[str, Any]:
    """A check's outcome as it stands in receipts and manifests."""
    return {
        "dataset": dataset,
        "name": check.name,
        "passed": check.passed,
        "rows": check.rows,
        "found": check.found,
        "expected": check.expected,
        "examples": list(check.examples),
    }

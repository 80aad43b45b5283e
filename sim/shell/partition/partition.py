"""One partition: compute, check every row, encode, stage, digest.

Which partitions there are and what becomes of them: `execute.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sim.backends import Backend, DeviceFault, OutOfDeviceMemory, get_backend
from sim.backends.binder import KernelFailure
from sim.executors import Executor
from sim.ground.contract_types import Contracts, Dataset, ForeignKey
from sim.ground.errors import BackendError, ValidationError
from sim.ground.identity import sha256_bytes
from sim.shell.events.events import Reporter, Stage
from sim.shell.partition.out_of_memory import smaller_partitions
from sim.shell.partition.recompute import hold_against
from sim.shell.partition.staging import PartitionResult, Staging
from sim.shell.runs.numbers import recorded
from sim.shell.runs.store import Store
from sim.shell.tables.check_result import CheckResult
from sim.shell.tables.digest import table_digest
from sim.shell.tables.foreign_keys import KeyIndex, check_foreign_key
from sim.shell.tables.frame_checks import check_frame
from sim.shell.tables.key_ranges import key_range
from sim.shell.tables.keys import Neighbours
from sim.shell.tables.parquet import Vocabularies, encode_parquet
from sim.state.context import Context, PartitionContext
from sim.state.counters import as_json
from sim.state.declaration import Frames, Partition
from sim.state.frames import Frame
from sim.state.program import Program
from sim.state.records import PartFile

Result = TypeVar("Result")

FINISH = "finish"
"""Name of what a state makes of all its partitions; no partition is called so."""


@dataclass
class SoFar:
    """How far a state's partitions are by now; a report of a failed state says it."""

    rows: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class StateRun:
    """Everything one state execution needs besides its program.

    Attributes:
        run_dir: Run directory.
        identity: run_id, seed, parameter_hash, manifest_fingerprint, scenarios.
        contracts: Compiled contracts.
        store: Readable inputs.
        backend: Where kernels run.
        executor: Who computes partitions.
        describe_job: What workers in other processes must know about this state; see `job.py`.
        order_seed: Shuffles the order in which partitions are computed (tests); None begins with the
            heaviest.
        reporter: Receives progress.
        verify_fraction: Share of partitions recomputed on the cpu backend, where `backend` is another.
        place: Which state of the run it is, of how many.
        so_far: Rows staged, and partitions taken over.
        key_indexes: Look-ups of referenced tables, built once and shared by partitions.
    """

    run_dir: Path
    identity: Mapping[str, Any]
    contracts: Contracts
    store: Store
    backend: Backend
    executor: Executor
    order_seed: int | None
    reporter: Reporter
    verify_fraction: float = 0.0
    describe_job: Callable[[], dict[str, Any]] = dict
    place: tuple[int, int] = (0, 0)
    so_far: SoFar = field(default_factory=SoFar)
    key_indexes: dict[tuple[str, str | None, tuple[str, ...]], KeyIndex] = field(default_factory=dict)


def compute_partition(
    program: Program, ctx: Context, run: StateRun, staging: Staging, part: Partition, verify: bool
) -> PartitionResult:
    """Compute a partition, check and stage its frames, leave a receipt.

    On a device `compute` of a resident state and its copy to the host hold one of the slots; a host-only
    state's kernels hold one each for as long as they run; checks, digest, Parquet and disk hold none.

    Args:
        program: The state.
        ctx: Its context.
        run: Where and how.
        staging: Where files go.
        part: The partition.
        verify: Whether to compute it on the cpu backend too, and compare.

    Raises:
        ValidationError: A kernel refused a row.
        BackendError: The partition does not fit the device, or the device is wrong or failed.
        StorageError: An I/O failure while staging.
        MemoryError: Memory ran out; it may be called again, when others that were beside it have come to
            rest.
    """
    entered = partial(Stage, program.state.id, part.name)
    run.reporter.tell(entered("computing"))
    inner, frames = _computed(program, ctx, run, part)
    run.reporter.tell(entered("checking", sum(len(frame) for frame in frames.values())))
    if verify:
        hold_against(get_backend("cpu"), program, ctx, part, run.contracts, run.store, inner, frames)
    result = PartitionResult(part.name, {}, [], {}, [])
    stage_frames(program, run, staging, part.scenario, part_file(part), frames, result)
    result.counters = as_json(inner.counters)
    result.ledger = list(inner.ledger_rows.values())
    staging.record(result)
    return result


def _computed(
    program: Program, ctx: Context, run: StateRun, part: Partition
) -> tuple[PartitionContext, Frames]:
    """What the partition counted, and its frames in host memory."""
    assert program.compute is not None
    compute = program.compute

    def work() -> tuple[PartitionContext, Frames]:
        inner = ctx.for_partition(part)
        return inner, {dataset: inner.on_host(frame) for dataset, frame in compute(inner, part).items()}

    return on_backend(program, ctx, run, part, work)


def on_backend(
    program: Program, ctx: Context, run: StateRun, part: Partition | None, work: Callable[[], Result]
) -> Result:
    """Work of a state's function.

    A partition of a resident state waits for a turn on the device, everything else begins at once.

    Raises:
        ValidationError: A kernel refused a row.
        BackendError: `SHELL.OUT_OF_DEVICE_MEMORY`: it does not fit even alone. `SHELL.DEVICE_FAULT`: the
            device failed.
    """
    name = f"partition {part.name} of {program.state.id}" if part else f"the whole of {program.state.id}"
    try:
        return run.backend.ops.turn(work) if part and program.state.resident else work()
    except KernelFailure as failure:
        raise ValidationError(
            f"{program.state.id}.{failure.name}",
            f"a kernel refused a row while computing {name}",
            found=str(failure),
            do="this is an impossible value in the model: check the priors this state reads",
        ) from failure
    except DeviceFault as fault:
        raise BackendError(
            "SHELL.DEVICE_FAULT",
            f"the device failed while computing {name}, {fault.after}",
            found=str(fault),
            where=_where(program, part),
            do=(
                "look at nvidia-smi and dmesg; the same command, with --backend cpu too, goes on where it "
                "stopped"
            ),
        ) from fault
    except OutOfDeviceMemory as error:
        raise BackendError(
            "SHELL.OUT_OF_DEVICE_MEMORY",
            f"{name} does not fit the device, even alone (--device-slots 1)",
            found=str(error),
            where=_where(program, part),
            do=(
                f"a device with more memory, --backend cpu{smaller_partitions(program, ctx)}; finished "
                "partitions are kept"
            ),
        ) from None


def _where(program: Program, part: Partition | None) -> str:
    spec = ", ".join(f"{name} {value}" for name, value in (part.spec if part else {}).items())
    return f"{program.state.id} {part.name if part else ''}: {spec[:300] or 'all rows'}"


def part_file(part: Partition) -> str:
    """Name of the files a partition writes, one a dataset."""
    return f"part-{part.index:05d}.parquet"


def stage_frames(
    program: Program,
    run: StateRun,
    staging: Staging,
    scenario: str | None,
    name: str,
    frames: Frames,
    result: PartitionResult,
) -> None:
    """Turn numbers into published ids, check every row against contracts, stage the rows as files.

    A frame that fails is recorded, not staged.

    Args:
        program: The state.
        run: Where and how.
        staging: Where files go.
        scenario: Of the frames.
        name: Of their files.
        frames: By dataset; emptied, so that none stays in memory beside its published one.
        result: Is added to.
    """
    own = run.store.numberings.of_frames(frames)
    for dataset_id in tuple(frames):
        if dataset_id not in program.state.writes:
            raise ValueError(
                f"{program.state.id} returned {dataset_id!r}, which it does not declare to write"
            )
        dataset = run.contracts.dataset(dataset_id)
        frame = run.store.numberings.published(frames.pop(dataset_id), dataset, own)
        neighbours = Neighbours(frame)
        checks = check_frame(frame, dataset, run.store.vocabularies, neighbours=neighbours)
        checks += [
            check_foreign_key(frame, fk, _referenced(run, fk, scenario), neighbours)
            for fk in dataset.foreign_keys
        ]
        if all(check.passed for check in checks):
            checks += run.store.numberings.blind(frame, dataset, own)
        result.checks += [check_row(dataset_id, check) for check in checks]
        if not all(check.passed for check in checks):
            continue
        metadata = {
            **{key: str(value) for key, value in run.identity.items()},
            "dataset": dataset_id,
            "scenario": scenario or "",
        }
        run.reporter.tell(Stage(program.state.id, "" if result.name == FINISH else result.name, "writing"))
        data = memoryview(encode_parquet(frame, dataset, run.store.vocabularies, metadata))
        digests = partial(_digests, data, frame, dataset, run.store.vocabularies)
        sha256, digest = staging.write(dataset_id, scenario, name, data, digests)
        result.files[dataset_id] = PartFile(
            name,
            len(data),
            len(frame),
            sha256,
            digest,
            {**key_range(frame, dataset, neighbours), **recorded(dataset, own)},
        )


def _digests(data: memoryview, frame: Frame, dataset: Dataset, vocab: Vocabularies) -> tuple[str, str]:
    """Of a file's bytes, from memory and not from what a disk made of them, and of its content."""
    return sha256_bytes(data), table_digest(frame, dataset, vocab)


def _referenced(run: StateRun, key: ForeignKey, scenario: str | None) -> KeyIndex:
    own = scenario if scenario in run.store.scenarios(key.dataset) else None
    name = (key.dataset, own, key.to)
    index = run.key_indexes.get(name)
    if index is None:
        index = KeyIndex(run.store.load_published(key.dataset, own, columns=key.to), key.to)
        run.key_indexes[name] = index
    return index


def check_row(dataset: str, check: CheckResult) -> dict[str, Any]:
    """A check's outcome as receipts and manifests hold it."""
    return {
        "dataset": dataset,
        "name": check.name,
        "passed": check.passed,
        "rows": check.rows,
        "found": check.found,
        "expected": check.expected,
        "examples": list(check.examples),
    }

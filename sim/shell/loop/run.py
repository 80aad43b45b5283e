"""The loop over segments and states: gate, seal, execute, bundle; skip what is proven, resume what was begun."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sim.backends import Backend
from sim.executors import Executor, LocalExecutor, MemoryBudget
from sim.ground.errors import SimError, storage_errors
from sim.ground.identity import named_digest, pretty_json, sha256_bytes
from sim.shell.events.events import Reporter, StateBegan
from sim.shell.loop.execute import execute
from sim.shell.loop.outcome import SIZES_CHECKED, RunResult, state_row
from sim.shell.loop.preflight import require_possible
from sim.shell.loop.publication import Publication
from sim.shell.loop.telling import ended, objective, passed, place_of, run_began, sealed
from sim.shell.partition.out_of_memory import stay_within
from sim.shell.partition.partition import StateRun
from sim.shell.partition.recompute import DISAGREES
from sim.shell.partition.rng_events import event_segment, gate_codes
from sim.shell.partition.staging import Staging
from sim.shell.publish.bundle import encode_flag, encode_index
from sim.shell.publish.gate import FLAG_NAME, INDEX_NAME, gates_dir, open_bundle, require_state, state_path
from sim.shell.publish.lock import RunLock
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.planted import require_own_folders
from sim.shell.publish.publish import make_directories, publish_document, read_published, settle_published
from sim.shell.publish.seal import encode_receipt, encode_seal, sealed_rows
from sim.shell.publish.segment_order import held_by
from sim.shell.publish.space import existing_folder, require_files
from sim.shell.request.receipt import RECEIPT_NAME, require_receipt
from sim.shell.request.request import Prepared
from sim.shell.request.request_context import context_for
from sim.shell.runs.demanded import require_checks
from sim.shell.runs.runs_report import write_state_runs
from sim.shell.runs.store import Store
from sim.shell.workers.job import describe_job, published_manifests
from sim.state.declaration import Program, Segment

MOST_SLOTS = 64  # partitions on a device at once


@dataclass(frozen=True)
class Options:
    """How to run; nothing here can change a byte of what is published.

    Attributes:
        out: Directory that holds run directories.
        workers: Worker threads, when there is no executor.
        until: Last segment to build, or last state, whose segment does not pass then; None for all.
        order_seed: Shuffle partitions (tests), or None.
        executor: Who computes partitions; its owner closes it.
        verify_fraction: Share of partitions, and at least one a state, recomputed on the cpu backend where another one runs; 0 for none.
        device_slots: Partitions with rows on a device at once, for backends that have one; None for as many as are computed at once.
        rng_events: States whose random events are published once their segments have passed; see `rng_events.py`.
        model: Module whose `SEGMENTS` are run: what workers in other processes import.
        memory: Memory limit of this process; the executor's own.
        publication: Where passed segments go beyond the run directory.
    """

    out: Path
    workers: int = 2
    until: str | None = None
    order_seed: int | None = None
    executor: Executor | None = None
    verify_fraction: float = 0.001
    device_slots: int | None = None
    rng_events: tuple[str, ...] = ()
    model: str = "sim.segments"
    memory: MemoryBudget | None = None
    publication: Publication = field(default_factory=Publication)


def run_world(prepared: Prepared, segments: Sequence[Segment], backend: Backend, options: Options, reporter: Reporter) -> RunResult:
    """Build a world, or what is missing of it.

    Args:
        prepared: The request, hashed.
        segments: Segments in dependency order.
        backend: Where kernels run.
        options: How to run.
        reporter: Who is told about progress.

    Returns:
        What was done. Segments already proven are verified and skipped.

    Raises:
        SimError: Whatever refused; published states stay, everything else is resumable.
    """
    run_dir = options.out / prepared.run_id
    executor = options.executor or LocalExecutor(options.workers, options.memory)
    for event in run_began(run_dir, prepared, segments, backend, executor, options.until):
        reporter.tell(event)
    if backend.slots is not None:
        threads = options.executor.threads if options.executor else options.workers
        backend.slots.resize(options.device_slots or max(1, min(threads, MOST_SLOTS)))
    store = options.publication.reader(run_dir, prepared)
    store.fit(options.memory.limit if options.memory else None)
    require_possible(prepared, segments, backend, store)
    require_own_folders(run_dir)
    if not os.path.lexists(run_dir):
        require_files(existing_folder(run_dir), 2 * len(prepared.contracts.datasets))
    with storage_errors(run_dir, "creating the run directory"):
        make_directories(run_dir / "staging")
    result = RunResult(run_dir)
    with RunLock(run_dir):
        require_own_folders(run_dir)  # nobody but the holder of the lock makes any from here on
        receipt = pretty_json(prepared.receipt(backend, executor.name))
        if os.path.lexists(run_dir / RECEIPT_NAME):
            require_receipt(run_dir, prepared.identity)
        else:
            publish_document(run_dir / "staging", run_dir / RECEIPT_NAME, receipt, "The receipt belongs to another request.")
        try:
            options.publication.begin(run_dir, prepared.identity, gate_codes(segments))
            for segment in segments:
                _segment(segment, partial(place_of, segments, options.until), prepared, backend, options, reporter, store, result)
                if options.until is not None and options.until in (segment.code, result.stopped_after):
                    break
            for state in options.rng_events:
                events = event_segment(segments, state, result.bundles)
                _segment(events, partial(place_of, [events], None), prepared, backend, options, reporter, store, result)
        except BaseException:
            with contextlib.suppress(SimError):  # what stopped the run is told, not that its report could not be written either
                write_state_runs(run_dir, prepared, segments, result.rows)
            raise
        write_state_runs(run_dir, prepared, segments, result.rows)
        options.publication.ended(run_dir)
        stay_within(options.memory, "the run")
    return result


def _segment(
    segment: Segment,
    place: Callable[[str], tuple[int, int]],
    prepared: Prepared,
    backend: Backend,
    options: Options,
    reporter: Reporter,
    store: Store,
    result: RunResult,
) -> None:
    run_dir = result.run_dir
    folder = gates_dir(run_dir, segment.code)
    if (folder / FLAG_NAME).is_file():
        started = time.perf_counter()
        settle_published(folder / FLAG_NAME, run_dir / "staging")
        codes = [*result.bundles, segment.code]
        bundle = options.publication.prove(run_dir, segment.code, codes, prepared.identity, result.bundles)
        require_checks(prepared.contracts, segment, bundle.datasets, bundle.checks)
        result.bundles[segment.code] = bundle
        store.register(bundle.datasets)
        result.rows.append(state_row(segment, segment.final, "PROVEN", sum(item.rows for item in bundle.datasets), 0, started))
        result.taken_over.append(segment.code)
        reporter.tell(StateBegan(segment.final, segment.title, segment.title, *place(segment.final), 0))
        reporter.tell(ended(segment.title, result.rows[-1], f"complete: {SIZES_CHECKED}"))
        reporter.tell(passed(bundle, taken_over=True))
        return
    started = time.perf_counter()
    upstream = {code: result.bundles[code] for code in held_by(segment.code, result.bundles)}
    rows = sealed_rows(
        segment,
        prepared.contracts,
        prepared.configuration.documents,
        prepared.reference_digests,
        prepared.external_digests,
        upstream,
    )
    seal = encode_seal(segment.code, prepared.identity, rows)
    documents = {
        f"sealed_inputs_{segment.code}.json": seal,
        f"s0_gate_receipt_{segment.code}.json": encode_receipt(segment.code, prepared.identity, upstream, seal, len(rows)),
    }
    for name, data in documents.items():
        publish_document(run_dir / "staging", folder / name, data, "A segment is sealed once.")
    result.rows.append(state_row(segment, f"{segment.code}.S0", "PASS", len(rows), 0, started))
    reporter.tell(sealed(segment, upstream, rows))
    proofs = {name: sha256_bytes(data) for name, data in documents.items()}
    manifests = []
    for program in segment.programs:
        manifest, digest = _state(segment, program, place(program.state.id), prepared, backend, options, reporter, store, result, proofs)
        proofs[f"states/{program.state.id}.json"] = digest
        manifests.append(manifest)
        if program.state.id == options.until:
            result.stopped_after = program.state.id
            return
    rows = [{"state": manifest.state, **check} for manifest in manifests for check in manifest.checks]
    require_checks(prepared.contracts, segment, [item for manifest in manifests for item in manifest.datasets], rows)
    started = time.perf_counter()
    parents = {code: bundle.flag_sha256 for code, bundle in upstream.items()}
    index = encode_index(segment.code, prepared.identity, parents, proofs, manifests)
    publish_document(run_dir / "staging", folder / INDEX_NAME, index, "A bundle is published once.")
    publish_document(run_dir / "staging", folder / FLAG_NAME, encode_flag(segment.code, index), "A flag is published once.")
    result.bundles[segment.code] = open_bundle(run_dir, segment.code)
    options.publication.passed(run_dir, result.bundles[segment.code])
    result.rows.append(state_row(segment, f"{segment.code}.BUNDLE", "PASS", sum(len(m.checks) for m in manifests), 0, started))
    reporter.tell(passed(result.bundles[segment.code], taken_over=False))


def _state(
    segment: Segment,
    program: Program,
    place: tuple[int, int],
    prepared: Prepared,
    backend: Backend,
    options: Options,
    reporter: Reporter,
    store: Store,
    result: RunResult,
    proofs: Mapping[str, str],
) -> tuple[StateManifest, str]:
    """A state's manifest, proven or made now, and its SHA-256."""
    state = program.state
    started = time.perf_counter()
    path = state_path(result.run_dir, state.id)
    if path.is_file():
        settle_published(path, result.run_dir / "staging" / state.id)
        manifest = StateManifest.decode(read_published(path), str(path))
        require_state(result.run_dir, manifest, deep=True)  # every byte, since the segment's flag will vouch for it
        store.register(manifest.datasets)
        rows = sum(item.rows for item in manifest.datasets)
        result.rows.append(state_row(segment, state.id, "PROVEN", rows, 0, started))
        reporter.tell(StateBegan(state.id, state.title, objective(program), *place, 0))
        reporter.tell(ended(state.title, result.rows[-1], "complete: every byte hashed"))
        return manifest, sha256_bytes(manifest.encode())
    readable = published_manifests(result.bundles, segment.code, proofs)
    job = partial(describe_job, prepared, backend, options.model, state.id, readable, result.session)
    executor = options.executor or LocalExecutor(options.workers, options.memory)
    run = StateRun(
        *(result.run_dir, prepared.identity, prepared.contracts, store, backend),
        *(executor, options.order_seed, reporter, options.verify_fraction, job),
        place=place,
    )
    try:
        inputs = named_digest("inputs", list(proofs.items()))
        manifest, digest, reused = execute(program, context_for(program, prepared, backend, store), run, inputs)
        stay_within(options.memory, state.id)
    except BaseException as error:
        code = getattr(error, "code", type(error).__name__)
        if code == DISAGREES:  # other staged partitions may be as wrong: none may be resumed
            Staging(result.run_dir / "staging", state.id, "").quarantine()
        result.rows.append(state_row(segment, state.id, "FAIL", run.so_far.rows, run.so_far.resumed, started, str(code)))
        reporter.tell(ended(state.title, result.rows[-1], ""))
        raise
    store.register(manifest.datasets)
    rows = sum(item.rows for item in manifest.datasets)
    result.rows.append(state_row(segment, state.id, "PASS", rows, reused, started))
    note = f"{reused} resumed" if reused else "" if state.writes else f"{len(manifest.checks)} checks"
    reporter.tell(ended(state.title, result.rows[-1], note))
    return manifest, digest

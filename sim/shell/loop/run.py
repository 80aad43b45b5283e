"""The loop over segments and states: gate, seal, execute, bundle; a rerun skips or resumes what is there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sim.backends import Backend
from sim.executors import Executor, LocalExecutor, MemoryBudget
from sim.ground.errors import SimError, storage_errors
from sim.ground.identity import named_digest, pretty_json, sha256_bytes
from sim.shell.events.events import Reporter, StateBegan
from sim.shell.loop.execute import execute
from sim.shell.loop.outcome import SIZES_CHECKED, RunResult, gate_row, state_row
from sim.shell.loop.planner import require_space
from sim.shell.loop.preflight import require_possible
from sim.shell.loop.publication import Publication
from sim.shell.loop.telling import ended, objective, passed, place_of, run_began, sealed
from sim.shell.partition.out_of_memory import stay_within
from sim.shell.partition.partition import StateRun
from sim.shell.partition.recompute import DISAGREES
from sim.shell.partition.rng_events import event_segment, gate_codes
from sim.shell.partition.staging import Staging
from sim.shell.publish.bundle import Bundle, encode_flag, encode_index
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
from sim.shell.workers.job import describe_job, published_manifests
from sim.state.program import Program, Segment

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
        verify_fraction: Share of partitions, and at least one a state, recomputed on the cpu backend where
            another one runs; 0 for none.
        device_slots: Partitions with rows on a device at once, for backends that have one; None for as many
            as are computed at once.
        rng_events: States whose random events are published once their segments have passed; see
            `rng_events.py`.
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
    memory: MemoryBudget | None = None
    publication: Publication = field(default_factory=Publication)


def run_world(prepared: Prepared, backend: Backend, options: Options, reporter: Reporter) -> RunResult:
    """Build a world, or what is missing of it.

    Args:
        prepared: The request, hashed; its model is what is run.
        backend: Where kernels run.
        options: How to run.
        reporter: Receives progress.

    Returns:
        What was done. Segments already proven are verified and skipped.

    Raises:
        SimError: Whatever refused; published states stay, everything else is resumable.
    """
    return Run(prepared, backend, options, reporter).build()


Place = Callable[[str], tuple[int, int]]
"""State id -> which state of the run it is, of how many."""


class Run:
    """One invocation: what every segment and state of it shares.

    Args:
        prepared: The request, hashed.
        backend: Where kernels run.
        options: How to run.
        reporter: Receives progress.
    """

    def __init__(self, prepared: Prepared, backend: Backend, options: Options, reporter: Reporter) -> None:
        self.prepared, self.backend = prepared, backend
        self.options, self.reporter = options, reporter
        self.result = RunResult(options.out / prepared.run_id)
        self.store = options.publication.reader(self.run_dir, prepared)

    @property
    def run_dir(self) -> Path:
        """The run directory."""
        return self.result.run_dir

    def executor(self) -> Executor:
        """Who computes partitions.

        Threads of our own are made anew for each state: what they learn of memory is about one state.
        """
        return self.options.executor or LocalExecutor(self.options.workers, self.options.memory)

    def build(self) -> RunResult:
        """Build every requested segment, then the events of states; see `run_world`."""
        options, prepared, run_dir = self.options, self.prepared, self.run_dir
        segments, executor = prepared.model.segments, self.executor()
        for event in run_began(run_dir, prepared, self.backend, executor, options.until):
            self.reporter.tell(event)
        self._share_device()
        self.store.fit(options.memory.limit if options.memory else None)
        require_possible(prepared, self.backend, self.store)
        # After the preflights: an impossible request has no size. The estimate is one of whole worlds.
        if options.until is None or options.until.partition(".")[0] == segments[-1].code:
            require_space(prepared, options.out)
        require_own_folders(run_dir)
        if not os.path.lexists(run_dir):
            require_files(existing_folder(run_dir), 2 * len(prepared.contracts.datasets))
        with storage_errors(run_dir, "creating the run directory"):
            make_directories(run_dir / "staging")
        with RunLock(run_dir):
            require_own_folders(run_dir)  # nobody but the holder of the lock makes any from here on
            self._settle_receipt(executor)
            try:
                options.publication.begin(run_dir, prepared.identity, gate_codes(segments))
                self._segments()
            except BaseException:
                # the user hears what stopped the run, not that its report could not be written either
                with contextlib.suppress(SimError):
                    write_state_runs(run_dir, prepared, self.result.rows)
                raise
            write_state_runs(run_dir, prepared, self.result.rows)
            options.publication.ended(run_dir)
            stay_within(options.memory, "the run")
        return self.result

    def _share_device(self) -> None:
        """Let as many partitions hold rows on the device as are computed at once, or as the user sets."""
        if self.backend.slots is not None:
            threads = self.options.executor.threads if self.options.executor else self.options.workers
            self.backend.slots.resize(self.options.device_slots or max(1, min(threads, MOST_SLOTS)))

    def _settle_receipt(self, executor: Executor) -> None:
        """Write the run's receipt, or find that the directory has this request's."""
        path = self.run_dir / RECEIPT_NAME
        if os.path.lexists(path):
            require_receipt(self.run_dir, self.prepared.identity)
            return
        receipt = pretty_json(self.prepared.receipt(self.backend, executor.name))
        publish_document(self.run_dir / "staging", path, receipt, "The receipt belongs to another request.")

    def _segments(self) -> None:
        segments, until = self.prepared.model.segments, self.options.until
        for segment in segments:
            self._segment(segment, partial(place_of, segments, until))
            if until is not None and until in (segment.code, self.result.stopped_after):
                break
        for state in self.options.rng_events:
            events = event_segment(segments, state, self.result.bundles)
            self._segment(events, partial(place_of, [events], None))

    def _segment(self, segment: Segment, place: Place) -> None:
        """Take a segment over whose flag is there; build it else."""
        if (gates_dir(self.run_dir, segment.code) / FLAG_NAME).is_file():
            self._take_over(segment, place)
        else:
            self._build(segment, place)

    def _take_over(self, segment: Segment, place: Place) -> None:
        started = time.perf_counter()
        settle_published(gates_dir(self.run_dir, segment.code) / FLAG_NAME, self.run_dir / "staging")
        codes = [*self.result.bundles, segment.code]
        proven = self.result.bundles
        bundle = self.options.publication.prove(
            self.run_dir, segment.code, codes, self.prepared.identity, proven
        )
        require_checks(self.prepared.contracts, segment, bundle.datasets, bundle.checks)
        self.store.register(bundle.datasets)
        self.result.taken_over.append(segment.code)
        self._passed(segment, bundle, "PROVEN", started, place)

    def _build(self, segment: Segment, place: Place) -> None:
        run_dir, prepared = self.run_dir, self.prepared
        folder = gates_dir(run_dir, segment.code)
        upstream = {code: self.result.bundles[code] for code in held_by(segment.code, self.result.bundles)}
        proofs = self._seal(segment, folder, upstream)
        manifests = []
        for program in segment.programs:
            manifest, digest = self._state(segment, program, place(program.state.id), proofs)
            proofs[f"states/{program.state.id}.json"] = digest
            manifests.append(manifest)
            if program.state.id == self.options.until:
                self.result.stopped_after = program.state.id
                return
        rows = [{"state": manifest.state, **check} for manifest in manifests for check in manifest.checks]
        require_checks(
            prepared.contracts, segment, [item for manifest in manifests for item in manifest.datasets], rows
        )
        started = time.perf_counter()
        parents = {code: bundle.flag_sha256 for code, bundle in upstream.items()}
        index = encode_index(segment.code, prepared.identity, parents, proofs, manifests)
        publish_document(run_dir / "staging", folder / INDEX_NAME, index, "A bundle is published once.")
        flag = encode_flag(segment.code, index)
        publish_document(run_dir / "staging", folder / FLAG_NAME, flag, "A flag is published once.")
        bundle = open_bundle(run_dir, segment.code)
        self.options.publication.passed(run_dir, bundle)
        self._passed(segment, bundle, "PASS", started, place)

    def _passed(self, segment: Segment, bundle: Bundle, status: str, started: float, place: Place) -> None:
        """Report that a gate is open, whether it was built now or taken over."""
        self.result.bundles[segment.code] = bundle
        row = gate_row(segment, bundle, status, started)
        self.result.rows.append(row)
        if status == "PROVEN":  # no events of its states
            self.reporter.tell(StateBegan(row.state, segment.title, segment.title, *place(row.state), 0))
            self.reporter.tell(ended(segment.title, row, f"complete: {SIZES_CHECKED}"))
        self.reporter.tell(passed(bundle, taken_over=status == "PROVEN"))

    def _seal(self, segment: Segment, folder: Path, upstream: Mapping[str, Bundle]) -> dict[str, str]:
        """Seal a segment's inputs. Returns name of each document -> SHA-256."""
        started = time.perf_counter()
        prepared = self.prepared
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
            f"s0_gate_receipt_{segment.code}.json": encode_receipt(
                segment.code, prepared.identity, upstream, seal, len(rows)
            ),
        }
        for name, data in documents.items():
            publish_document(self.run_dir / "staging", folder / name, data, "A segment is sealed once.")
        self.result.rows.append(state_row(segment, f"{segment.code}.S0", "PASS", len(rows), 0, started))
        self.reporter.tell(sealed(segment, upstream, rows))
        return {name: sha256_bytes(data) for name, data in documents.items()}

    def _state(
        self, segment: Segment, program: Program, place: tuple[int, int], proofs: Mapping[str, str]
    ) -> tuple[StateManifest, str]:
        """A state's manifest, proven or made now, and its SHA-256."""
        path = state_path(self.run_dir, program.state.id)
        if path.is_file():
            return self._proven_state(segment, program, place, path)
        return self._made_state(segment, program, place, proofs)

    def _proven_state(
        self, segment: Segment, program: Program, place: tuple[int, int], path: Path
    ) -> tuple[StateManifest, str]:
        started, state = time.perf_counter(), program.state
        settle_published(path, self.run_dir / "staging" / state.id)
        manifest = StateManifest.decode(read_published(path), str(path))
        # every byte, since the segment's flag will cover it
        require_state(self.run_dir, manifest, deep=True)
        self.store.register(manifest.datasets)
        rows = sum(item.rows for item in manifest.datasets)
        self.result.rows.append(state_row(segment, state.id, "PROVEN", rows, 0, started))
        self.reporter.tell(StateBegan(state.id, state.title, objective(program), *place, 0))
        self.reporter.tell(ended(state.title, self.result.rows[-1], "complete: every byte hashed"))
        return manifest, sha256_bytes(manifest.encode())

    def _made_state(
        self, segment: Segment, program: Program, place: tuple[int, int], proofs: Mapping[str, str]
    ) -> tuple[StateManifest, str]:
        started, state, prepared = time.perf_counter(), program.state, self.prepared
        readable = published_manifests(self.result.bundles, segment.code, proofs)
        run = StateRun(
            run_dir=self.run_dir,
            identity=prepared.identity,
            contracts=prepared.contracts,
            store=self.store,
            backend=self.backend,
            executor=self.executor(),
            order_seed=self.options.order_seed,
            reporter=self.reporter,
            verify_fraction=self.options.verify_fraction,
            describe_job=partial(
                describe_job, prepared, self.backend, state.id, readable, self.result.session
            ),
            place=place,
        )
        try:
            inputs = named_digest("inputs", list(proofs.items()))
            ctx = context_for(program, prepared, self.backend, self.store)
            manifest, digest, reused = execute(program, ctx, run, inputs)
            stay_within(self.options.memory, state.id)
        except BaseException as error:
            self._failed(segment, program, run, error, started)
            raise
        self.store.register(manifest.datasets)
        rows = sum(item.rows for item in manifest.datasets)
        self.result.rows.append(state_row(segment, state.id, "PASS", rows, reused, started))
        note = f"{reused} resumed" if reused else "" if state.writes else f"{len(manifest.checks)} checks"
        self.reporter.tell(ended(state.title, self.result.rows[-1], note))
        return manifest, digest

    def _failed(
        self, segment: Segment, program: Program, run: StateRun, error: BaseException, started: float
    ) -> None:
        """Report that a state failed."""
        state, code = program.state, str(getattr(error, "code", type(error).__name__))
        if code == DISAGREES:  # other staged partitions may be as wrong: none may be resumed
            Staging(self.run_dir / "staging", state.id, "").quarantine()
        row = state_row(segment, state.id, "FAIL", run.so_far.rows, run.so_far.resumed, started, code)
        self.result.rows.append(row)
        self.reporter.tell(ended(state.title, row, ""))

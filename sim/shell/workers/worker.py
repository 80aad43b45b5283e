"""A partition in a worker process: `compute` is the one function a cluster calls, text in and text out.

The wire carries the name of `compute`, a short JSON text, and a JSON answer. (dask sends the reference to a
function as its module and name; it serialises no object of the engine and sends no byte of data.) The worker
derives all else itself: contracts and parameters from the request, rows from published files through the
ordinary store, which compares them with the digests of the driver's manifests. It then compares what it
derived with what the driver has, and refuses to compute on any difference. It writes nothing outside its
attempt (see `attempts.py`).
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.backends import BackendUnavailable, get_backend
from sim.executors import LocalExecutor
from sim.executors.allocator import keep_freed_memory
from sim.ground.errors import BackendError, SimError, StorageError, WorkerError
from sim.ground.identity import canonical_json, code_digest, sha256_bytes
from sim.ground.json_text import load_json
from sim.shell.events.events import Silent
from sim.shell.partition.attempts import JOB_NAME, Attempt, Stale, attempts_dir
from sim.shell.partition.out_of_memory import ran_out
from sim.shell.partition.partition import StateRun, compute_partition
from sim.shell.partition.rng_events import program_called
from sim.shell.partition.staging import PartitionResult, encode_result
from sim.shell.publish.gate import require_bytes
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.request.request import Prepared, prepare
from sim.shell.request.request_context import context_for
from sim.shell.runs.store import Store
from sim.shell.workers.job import JOB_FORMAT, REPLY_FORMAT, agreed, decode_request
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.model import Model
from sim.state.program import Program
from sim.state.records import Published

_LAST: list[Context] = []
"""Context of the state computed last: what its partitions shared is let go when another state's job comes."""
_CODE = code_digest()  # of the sources as they are when they are loaded, not when the first partition comes


@dataclass(frozen=True)
class _Job:
    """A job made ready in this process."""

    program: Program
    context: Context
    run: StateRun
    folder: Path


def compute(text: str) -> str:
    """Compute one partition.

    Args:
        text: JSON object: run_dir, state, job (SHA-256 of the job document), index, scenario, spec, verify.

    Returns:
        JSON object with `format`, `worker` and one of: `result` and `attempt` (name of the directory holding
        the files), `stale` (the work is over), `refused` (fields and class of a `SimError`), `failed` (a
        traceback).
    """
    task = json.loads(text)
    part = Partition(task["index"], task["scenario"], task["spec"])
    answer: dict[str, Any]
    attempt = None
    try:
        job = _job(task["run_dir"], task["state"], task["job"])
        _let_go(job.context)
        attempt = Attempt(job.folder, part.name)
        result = _computed(job, attempt, part, task["verify"])
        answer = {"result": encode_result(result), "attempt": attempt.path.name}
    except Stale as stale:
        answer = {"stale": str(stale)}
    except SimError as error:
        fields = {name: value for name, value in error.as_json().items() if name != "exit_code"}
        answer = {
            "refused": {"class": type(error).__name__, **fields},
            "transient": isinstance(error, StorageError),
        }
    except Exception as error:
        answer = {
            "failed": traceback.format_exc(limit=-8),
            "transient": isinstance(error, OSError | MemoryError),
        }
    if attempt is not None and "result" not in answer:
        attempt.give_up()
    return canonical_json(
        {"format": REPLY_FORMAT, "worker": f"{socket.gethostname()} pid {os.getpid()}", **answer}
    ).decode()


def _computed(job: _Job, attempt: Attempt, part: Partition, verify: bool) -> PartitionResult:
    try:
        return compute_partition(job.program, job.context, job.run, attempt, part, verify)
    except MemoryError as error:  # what would help depends on who started the workers: the driver says it
        raise ran_out(job.program.state.id, part.name, str(error), str(attempt.path), "") from error


def _let_go(now: Context) -> None:
    for before in _LAST:
        if before is not now:
            before.forget_shared()
    _LAST[:] = [now]


@lru_cache(maxsize=2)
def _job(run_dir: str, state: str, digest: str) -> _Job:
    folder = attempts_dir(Path(run_dir) / "staging" / state, digest)
    path = folder / JOB_NAME
    if not path.is_file():
        raise Stale(f"{path} does not exist")
    data = read_published(path)
    if sha256_bytes(data) != digest:
        raise _differs("job document", sha256_bytes(data), digest, str(path))
    document = load_json(data, str(path), JOB_FORMAT)
    prepared, store = _opened(
        run_dir, document["session"], canonical_json(document["request"]).decode(), document["model"]
    )
    try:
        backend = get_backend(document["backend"])
    except BackendUnavailable as error:
        raise BackendError(
            "SHELL.BACKEND_UNAVAILABLE", str(error), do="closedworld doctor on that host"
        ) from error
    for name, value in agreed(prepared, backend, _CODE).items():
        if document["agreed"].get(name) != value:
            raise _differs(name, value, str(document["agreed"].get(name)), str(Path(__file__).parents[3]))
    binding = read_published(folder.parents[1] / "binding").decode("utf-8", "replace")
    if binding != document["binding"]:
        raise _differs("staging binding", binding, document["binding"], str(folder.parents[1]))
    program = _program(prepared.model, state)
    for name, sha256 in document["manifests"].items():
        store.register(_manifest(str(Path(run_dir) / name), sha256))
    run = StateRun(
        run_dir=Path(run_dir),
        identity=prepared.identity,
        contracts=prepared.contracts,
        store=store,
        backend=backend,
        executor=LocalExecutor(1),
        order_seed=None,
        reporter=Silent(),
    )
    return _Job(program, context_for(program, prepared, backend, store), run, folder)


@lru_cache(maxsize=1)
def _opened(run_dir: str, session: str, request: str, model: str) -> tuple[Prepared, Store]:
    """The request and the run's store, once a process and driver session.

    What the store has verified stays verified for that long.
    """
    keep_freed_memory()
    prepared = prepare(decode_request(json.loads(request)), importlib.import_module(model).MODEL)
    return prepared, Store(
        Path(run_dir), prepared.contracts, prepared.reference, prepared.vocabularies, prepared.request.seed
    )


@lru_cache(maxsize=1024)
def _manifest(path: str, sha256: str) -> tuple[Published, ...]:
    return StateManifest.decode(require_bytes(Path(path), sha256), path).datasets


def _program(model: Model, state: str) -> Program:
    found = program_called(model.segments, state)
    assert found is not None  # the driver's model has it, and its code is the worker's
    return found


def _differs(name: str, here: str, there: str, where: str) -> WorkerError:
    return WorkerError(
        "SHELL.WORKER_DIFFERS",
        f"a worker's {name} is not the driver's",
        found=f"{here} on the worker",
        expected=f"{there} on the driver",
        where=where,
        do=(
            "install the same version with the same dependencies everywhere, restart the workers, then run "
            "again"
        ),
    )

"""The driver's side of spreading a state's partitions over an executor, in this process or in others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from sim.executors import (
    ClusterLost,
    ExecutorUnavailable,
    MemoryLimitPassed,
    OutOfMemory,
    Transient,
    WorkLost,
)
from sim.ground import errors
from sim.ground.identity import canonical_json, pretty_json
from sim.ground.json_text import load_json
from sim.shell.events.events import Stage
from sim.shell.partition.attempts import Attempts
from sim.shell.partition.out_of_memory import (
    OUT_OF_MEMORY,
    help_alone,
    help_for_workers,
    limit_passed,
    ran_out,
)
from sim.shell.partition.partition import StateRun, compute_partition, part_file
from sim.shell.partition.recompute import sampled
from sim.shell.partition.staging import PartitionResult, Staging, decode_result
from sim.shell.workers.job import REPLY_FORMAT
from sim.shell.workers.worker import compute
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.program import Program

_RESUME = "closedworld run with the same arguments goes on from here: finished partitions are kept"
_REFUSALS = {kind.__name__: kind for kind in errors.SimError.__subclasses__()}


def compute_all(
    program: Program, ctx: Context, run: StateRun, staging: Staging, parts: list[Partition]
) -> Iterator[tuple[Partition, PartitionResult]]:
    """Compute partitions on the run's executor; each has its receipt in staging when it comes.

    Raises:
        WorkerError: `SHELL.WORKERS_DIED` naming the partition, `SHELL.WORKER_ANSWER_INVALID`,
            `SHELL.CLUSTER_LOST`, `SHELL.EXECUTOR_UNAVAILABLE`.
        StorageError: `SHELL.OUT_OF_MEMORY`, `SHELL.MEMORY_LIMIT_PASSED`.
        SimError: Whatever refused a partition.
    """
    fraction = run.verify_fraction if run.backend.name != "cpu" else 0.0
    twice = sampled(fraction, str(run.identity["run_id"]), program.state.id, parts)
    work = PartitionWork(program, ctx, run, staging, twice)
    try:
        yield from run.executor.map(work, parts)
    except WorkLost as lost:
        raise errors.WorkerError(
            "SHELL.WORKERS_DIED",
            f"{lost.attempts} workers died while computing partition {lost.name} of {program.state.id}",
            found="the processes ended without a word: out of memory, or a crash in native code",
            where=str(staging.path),
            do=f"see the workers' logs, give workers more memory; {_RESUME}",
        ) from lost
    except OutOfMemory as lost:
        part = cast(Partition, lost.item)
        raise ran_out(
            program.state.id, part.name, lost.found, str(staging.path), help_alone(program, ctx)
        ) from lost
    except MemoryLimitPassed as lost:
        raise limit_passed(
            program.state.id, cast(Partition, lost.item).name if lost.item else None, lost
        ) from lost
    except ClusterLost as lost:
        raise errors.WorkerError(
            "SHELL.CLUSTER_LOST", "the cluster went away", found=str(lost), do=_RESUME
        ) from lost
    except ExecutorUnavailable as lost:
        raise errors.WorkerError(
            "SHELL.EXECUTOR_UNAVAILABLE", "there is no cluster to work on", found=str(lost)
        ) from lost
    finally:
        work.close()


class PartitionWork:
    """A state's partitions as work for executors; implements `sim.executors.Work`."""

    def __init__(
        self, program: Program, ctx: Context, run: StateRun, staging: Staging, twice: frozenset[str]
    ) -> None:
        """Args: the state, its context, where and how.

        `twice` names partitions to be recomputed on the cpu backend.
        """
        self._program = program
        self._ctx = ctx
        self._run = run
        self._staging = staging
        self._twice = twice
        self._attempts: Attempts | None = None

    def name(self, part: Partition) -> str:
        """Partition name."""
        return part.name

    def here(self, part: Partition) -> PartitionResult:
        """Compute it in this process."""
        return compute_partition(
            self._program, self._ctx, self._run, self._staging, part, part.name in self._twice
        )

    def remote(self) -> Callable[[str], str]:
        """What workers run."""
        return compute

    def send(self, part: Partition) -> str:
        """The task of a partition."""
        self._run.reporter.tell(Stage(self._program.state.id, part.name, "sent"))
        task = {
            "run_dir": str(self._run.run_dir.resolve()),
            "state": self._program.state.id,
            "job": self._opened().digest,
            "index": part.index,
            "scenario": part.scenario,
            "spec": dict(part.spec),
            "verify": part.name in self._twice,
        }
        return canonical_json(task).decode()

    def receive(self, part: Partition, text: str) -> PartitionResult:
        """Take over a worker's files, or raise what it met.

        Raises:
            WorkerError: `SHELL.WORKER_ANSWER_INVALID`; nothing was taken over.
            Transient: Another try may end better.
            SimError: What the worker met.
        """
        try:
            reply = load_json(text.encode(), f"the answer for {part.name}", REPLY_FORMAT)
            worker = str(reply["worker"])
            result = decode_result(reply["result"]) if "result" in reply else None
            attempt = str(reply["attempt"]) if result else ""
            error = None if result else self._refusal(part, reply, worker)
        except (errors.GateError, LookupError, TypeError, ValueError, AttributeError) as strange:
            found = (
                strange.found
                if isinstance(strange, errors.SimError)
                else f"{type(strange).__name__}: {strange}"
            )
            raise self._strange(part, found) from strange
        if error is not None:
            raise Transient(error) if reply.get("transient") else error
        assert result is not None
        names = {file.name for file in result.files.values()} | {part_file(part)}
        known = set(result.files) <= set(self._program.state.writes) and names == {part_file(part)}
        if (
            not known
            or result.name != part.name
            or attempt != Path(attempt).name
            or not attempt.startswith(f"{part.name}.")
        ):
            raise self._strange(part, f"{worker} answered with {attempt!r} and {sorted(result.files)}")
        self._opened().take(attempt, result, part.scenario)
        return result

    def _strange(self, part: Partition, found: str) -> errors.WorkerError:
        """The error for an answer that no worker of this version gives; nothing of it was used."""
        return errors.WorkerError(
            "SHELL.WORKER_ANSWER_INVALID",
            (
                f"a worker's answer is none to what it was asked for: partition {part.name} of "
                f"{self._program.state.id}"
            ),
            found=found[:500],
            expected=f"files of {part.name!r}, or a refusal",
            do=f"restart the workers with this version; {_RESUME}",
        )

    def unanswered(self, part: Partition) -> int:
        """How many workers began the partition and never answered."""
        return self._opened().unanswered(part.name)

    def close(self) -> None:
        """End the job: late attempts have nowhere to write."""
        if self._attempts is not None:
            self._attempts.close()

    def _opened(self) -> Attempts:
        if self._attempts is None:
            job = {**self._run.describe_job(), "binding": self._staging.binding}
            self._attempts = Attempts(self._staging, pretty_json(job))
        return self._attempts

    def _refusal(self, part: Partition, reply: dict[str, Any], worker: str) -> errors.SimError:
        if "stale" in reply:
            return errors.WorkerError(
                "SHELL.RUN_DIRECTORY_NOT_SHARED",
                "a worker does not see the driver's run directory",
                found=f"{worker}: {reply['stale']}",
                expected="one directory under the same path on every host",
                do="put --out on a file system that the driver and all workers share",
            )
        if "refused" in reply:
            fields = dict(reply["refused"])
            kind = _REFUSALS[fields.pop("class")]
            if fields["code"] == OUT_OF_MEMORY:
                fields["do"] = help_for_workers(self._run.executor.threads)
            fields["where"] = f"{fields['where']} (on {worker})".strip()
            return kind(**fields)
        return errors.WorkerError(
            "SHELL.PARTITION_FAILED",
            f"partition {part.name} of {self._program.state.id} could not be computed",
            found=str(reply["failed"]).strip().splitlines()[-1],
            where=worker,
            examples=str(reply["failed"]).strip().splitlines()[-5:],
            do="this is a bug in the engine or a broken host: please report it with the lines above",
        )

"""Attempts at partitions by worker processes: each writes its own directory, and the driver takes files over.

    staging/<state>/attempts/<job>/  the driver makes one a process and state, and removes it at the end
        job.json                     what all partitions of the state share
        <partition>.<random>/        a worker makes it when it begins; the driver takes it on its answer

A worker creates nothing but its own attempt, with one `mkdir` whose parent must exist, and never writes
outside of it. So two attempts at one partition cannot meet. A worker that the driver gave up and that comes
back to life (a zombie) finds its directory gone: it can neither change what was staged or published since,
nor bring a discarded staging directory back. An attempt directory that is still there and not done means that
its worker died (or has stopped for good).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path

from sim.ground.errors import StorageError, storage_errors
from sim.ground.identity import sha256_bytes
from sim.shell.partition.staging import PartitionResult, Result, Staging, put_away
from sim.shell.publish.publish import FOLDER_MODE, make_directories, write_new

JOB_NAME = "job.json"
DONE_NAME = "done"


class Stale(Exception):
    """The work of this attempt is over, or this machine does not see its directory."""


class Attempt(Staging):
    """A worker's side: where one attempt at one partition puts its files.

    Args:
        folder: The job's directory; it must exist.
        name: Partition name.

    Raises:
        Stale: If the job's directory is gone.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.{uuid.uuid4().hex}"
        self.binding = ""
        try:
            self.path.mkdir(mode=FOLDER_MODE)
        except FileNotFoundError:
            raise Stale(f"{folder} does not exist") from None

    def write(
        self, dataset: str, scenario: str | None, name: str, data: memoryview, meanwhile: Callable[[], Result]
    ) -> Result:
        """Write one part file, named after its dataset.

        What `meanwhile` returns, called while the disk is busy with it.
        """
        try:
            result: Result = write_new(self.path / attempt_file(dataset), data, meanwhile)
        except StorageError:
            if not self.path.is_dir():
                raise Stale(f"{self.path} is gone") from None
            raise
        return result

    def record(self, result: PartitionResult) -> None:
        """Leave a mark that the worker outlived the attempt.

        The answer is the receipt, and the driver keeps it.
        """
        try:
            (self.path / DONE_NAME).touch(mode=0o664)
        except FileNotFoundError:
            raise Stale(f"{self.path} is gone") from None

    def give_up(self) -> None:
        """Remove what was written; for attempts that end with an error."""
        with contextlib.suppress(OSError):
            put_away(self.path)


def attempt_file(dataset: str) -> str:
    """Name of a dataset's file inside an attempt; a partition writes one file a dataset."""
    return f"{dataset}.parquet"


class Attempts:
    """The driver's side: makes the directory for a job's attempts and takes their files over.

    Args:
        staging: The state's staging directory, prepared.
        job: Bytes of the job document; unlike any other job's.
    """

    def __init__(self, staging: Staging, job: bytes) -> None:
        self.digest = sha256_bytes(job)
        self._staging = staging
        self._folder = attempts_dir(staging.path, self.digest)
        with storage_errors(self._folder, "preparing staging"):
            # of a driver that is no more: its workers, if any, lose their footing here
            put_away(self._folder.parent)
            make_directories(self._folder)
        write_new(self._folder / JOB_NAME, job)

    def take(self, attempt: str, result: PartitionResult, scenario: str | None) -> None:
        """Move an attempt's files to where staging has them and leave the partition's receipt.

        Raises:
            StorageError: If the attempt's files are not to be seen from here.
        """
        source = self._folder / attempt
        for dataset, part in result.files.items():
            folder = self._staging.ready(self._staging.directory(dataset, scenario))
            with storage_errors(
                source,
                "taking over a worker's files (is the run directory on a file system all hosts share?)",
            ):
                (source / attempt_file(dataset)).replace(folder / part.name)
        self._staging.record(result)
        with storage_errors(source, "taking over a worker's files"):
            put_away(source)

    def unanswered(self, name: str) -> int:
        """How many attempts at a partition began and left neither a result nor an apology."""
        begun = [entry for entry in self._folder.iterdir() if entry.name.rpartition(".")[0] == name]
        return sum(not (entry / DONE_NAME).exists() for entry in begun)

    def close(self) -> None:
        """Nothing more is taken over; attempts still running find no directory to write to."""
        with contextlib.suppress(OSError):
            put_away(self._folder.parent)


def attempts_dir(staging: Path, job_digest: str) -> Path:
    """Where attempts of a job lie, under a state's staging directory."""
    return staging / "attempts" / job_digest[:32]

"""Staging of one state: part files and their receipts, before anything is published.

Each finished partition leaves its files and one receipt. After a kill, a partition whose receipt and files
agree is taken as done; anything else in staging is thrown away and computed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sim.ground.errors import GateError, storage_errors
from sim.ground.identity import canonical_json, sha256_bytes, sha256_file
from sim.ground.json_text import no_duplicates
from sim.ground.names import DATASET, is_name
from sim.ground.plain_file import read_plain, unless_absent
from sim.shell.publish.documents import DOCUMENT_BYTES
from sim.shell.publish.manifest import decode_file, decode_ledger, encode_file
from sim.shell.publish.publish import make_directories, write_new
from sim.state.records import LedgerRow, PartFile

Result = TypeVar("Result")

_RECEIPT_FORMAT = "partition-v2"


@dataclass
class PartitionResult:
    """What one partition produced.

    Attributes:
        name: Partition name.
        files: Dataset id -> part file.
        checks: Contract checks as rows: dataset, name, passed, rows, found, expected, examples.
        counters: Counter name -> int or list of ints.
        ledger: RNG ledger rows of this partition.
    """

    name: str
    files: dict[str, PartFile]
    checks: list[dict[str, Any]]
    counters: dict[str, Any]
    ledger: list[LedgerRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows over all datasets."""
        return sum(part.rows for part in self.files.values())


class Staging:
    """The staging directory of one state.

    Args:
        root: `runs/<id>/staging`.
        state: State id.
        binding: Digest of everything a finished partition depends on (inputs, code, plan); a receipt made
            under another binding is not reused.
    """

    def __init__(self, root: Path, state: str, binding: str) -> None:
        self.path = root / state
        self.binding = binding
        self._ready: set[Path] = set()

    def prepare(self) -> None:
        """Create the directory, or empty it if it was made under another binding."""
        mark = self.path / "binding"
        with storage_errors(self.path, "preparing staging"):
            if self.path.exists() and _plain(mark) != self.binding.encode():
                put_away(self.path)
            for litter in self.path.parent.glob("*.gone-*"):
                shutil.rmtree(litter, ignore_errors=True)
            make_directories(self.path / "receipts")
            if not mark.exists():
                write_new(mark, self.binding.encode())

    def directory(self, dataset: str, scenario: str | None) -> Path:
        """Where the part files of a dataset (and scenario) are staged.

        Named after the dataset, so names cannot collide.
        """
        return self.path / "data" / dataset / (scenario or "_")

    def ready(self, folder: Path) -> Path:
        """Make a directory inside staging durable, once; nobody else removes it while this process works."""
        if folder not in self._ready:
            with storage_errors(folder, "preparing staging"):
                make_directories(folder)
            self._ready.add(folder)
        return folder

    def write(
        self, dataset: str, scenario: str | None, name: str, data: memoryview, meanwhile: Callable[[], Result]
    ) -> Result:
        """Write one part file; what `meanwhile` returns, called while the disk is busy with it."""
        return self._write(self.ready(self.directory(dataset, scenario)) / name, data, meanwhile)

    def _write(self, path: Path, data: bytes | memoryview, meanwhile: Callable[[], Result]) -> Result:
        """Write under a name of this attempt alone, then rename, so that two attempts at once do not meet."""
        attempt = self.ready(self.path / "writing") / f"{os.getpid()}.{threading.get_native_id()}.{path.name}"
        with storage_errors(attempt, "preparing staging"):
            attempt.unlink(missing_ok=True)
        result: Result = write_new(attempt, data, meanwhile)
        with storage_errors(path, "staging a file"):
            attempt.replace(path)
        return result

    def record(self, result: PartitionResult) -> None:
        """Write the receipt of a finished partition after its files, so that it names no missing file."""
        body = canonical_json(encode_result(result))
        self._write(
            self.path / "receipts" / f"{result.name}.json",
            sha256_bytes(body).encode() + b"\n" + body,
            lambda: None,
        )

    def finished(self, name: str, scenario: str | None) -> PartitionResult | None:
        """The result of a partition finished earlier under the same binding, its files re-hashed.

        None if there is none.
        """
        path = self.path / "receipts" / f"{name}.json"
        with storage_errors(path, "reading a staged partition"):
            digest, _, body = (_plain(path) or b"").partition(b"\n")
        if sha256_bytes(body).encode() != digest:
            return None
        try:
            result = decode_result(json.loads(body, object_pairs_hook=no_duplicates))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, GateError):
            return None  # a receipt that makes its own digest and is not ours
        for dataset, part in result.files.items():
            staged = self.directory(dataset, scenario) / part.name
            with storage_errors(staged, "reading a staged partition"):
                if unless_absent(partial(sha256_file, staged, follow=False)) != part.file_sha256:
                    return None
        return result

    def drop_strangers(self, dataset: str, scenario: str | None, names: Mapping[str, str]) -> None:
        """Remove staged files of partitions outside the plan, which an interrupted attempt left."""
        folder = self.directory(dataset, scenario)
        with storage_errors(folder, "preparing staging"):
            for entry in list(os.scandir(folder)):
                if entry.name not in names:
                    (folder / entry.name).unlink()

    def quarantine(self) -> Path:
        """Move the directory aside so that a failed state can be looked at; returns where it is now."""
        target = self.path.parent / "quarantine" / self.path.name
        with storage_errors(target, "moving failed staging aside"):
            if self.path.is_dir():
                if target.exists():
                    shutil.rmtree(target)
                make_directories(target.parent)
                self.path.rename(target)
        return target

    def discard(self) -> None:
        """Remove the directory after the state was published; what cannot be removed harms nobody."""
        # rmtree closes twice when closing fails, whatever `ignore_errors` says
        with contextlib.suppress(OSError):
            shutil.rmtree(self.path, ignore_errors=True)


def _plain(path: Path) -> bytes | None:
    """The bytes of a small file of ours; None where there is none, or something else."""
    return unless_absent(lambda: read_plain(path, DOCUMENT_BYTES, follow=False))


def put_away(path: Path) -> None:
    """Remove a tree under a new random name, so that no late writer finds it.

    A late writer can then neither leave it half removed nor bring it back.
    """
    gone = path.with_name(f"{path.name}.gone-{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def encode_result(result: PartitionResult) -> dict[str, Any]:
    """JSON form of a partition's result: what receipts hold and what workers answer."""
    return {
        "format": _RECEIPT_FORMAT,
        "name": result.name,
        "files": {dataset: encode_file(part) for dataset, part in result.files.items()},
        "checks": result.checks,
        "counters": result.counters,
        "ledger": [asdict(row) for row in result.ledger],
    }


def decode_result(document: Mapping[str, Any]) -> PartitionResult:
    """A partition's result from its JSON form.

    Raises:
        GateError, KeyError, TypeError: If it is none that a partition left.
    """
    files = {dataset: decode_file(part) for dataset, part in document["files"].items()}
    if not all(is_name(DATASET, dataset) for dataset in files):
        raise TypeError("a dataset of a name that no contract gives")
    ledger = [decode_ledger(row) for row in document["ledger"]]
    return PartitionResult(document["name"], files, document["checks"], document["counters"], ledger)

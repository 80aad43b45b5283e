"""A run in an object store: built in a local directory, each passed segment uploaded, its flag last.

The order of a segment's objects is: data files, documents, index, `_passed.flag`. The uploader creates each
only if absent, then proves size and SHA-256: by the store's own SHA-256 where the store checks what it
receives, else by reading back. It puts the flag object after all of that has held, so a reader who sees a
flag sees a whole segment. Another uploader of the same run uploads the same bytes; the uploader refuses other
bytes under the same name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from sim.ground.errors import GateError, LockedError, StorageError, UsageError, storage_errors
from sim.ground.identity import sha256_bytes, sha256_file
from sim.ground.paths import user_cache
from sim.objects.connect import open_store
from sim.objects.location import Location
from sim.objects.mirror import (
    DOCUMENT,
    RemoteRun,
    copy_documents,
    document_problems,
    passed_there,
    prove_remote,
)
from sim.objects.store import ObjectStore, require_conditional_put
from sim.shell.events.events import PartitionEnded, Reporter, StateBegan, StateEnded
from sim.shell.loop.publication import Publication
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import FLAG_NAME, INDEX_NAME, gate_refused, require_file
from sim.shell.publish.publish import make_directories, publish_document, read_published, rename_new
from sim.shell.request.receipt import IDENTITY, RECEIPT_NAME, read_receipt
from sim.shell.request.request import Prepared
from sim.shell.runs.opened import open_segment
from sim.shell.runs.store import Store
from sim.state.records import PartFile

_UPLOADS = 4  # each holds up to 64 MiB


def default_work_dir(root: Location) -> Path:
    """Where runs for a location are built by default: one directory a location in the user's cache.

    Raises:
        UsageError: `SHELL.NO_HOME`: the user has no home, hence no cache.
    """
    cache = user_cache()
    if cache is None:
        raise UsageError(
            "SHELL.NO_HOME",
            "there is no place to build this run before it is uploaded: this user has no home",
            found="no HOME, and no entry in the password file",
            expected="a directory that stays until the run is uploaded",
            do="--work-dir DIR",
        )
    return cache / "closedworld" / "work" / sha256_bytes(str(root).encode())[:16]


class Upload(Publication):
    """Publishes passed segments below a location, and reads back from there what this machine lacks.

    Args:
        root: What `--out` names; the run lies in it under its run id.
        prepared: The request.
        reporter: Receives events of uploads.
        keep_local: Keep local copies of data files that are proven in the store.
        options: For the fsspec filesystem.
    """

    def __init__(
        self,
        root: Location,
        prepared: Prepared,
        reporter: Reporter,
        keep_local: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.location = root / prepared.run_id
        self._store = open_store(self.location, options)
        self._readers, self._reporter, self._keep_local = prepared.model.readers, reporter, keep_local
        self._sizes: dict[str, int] = {}
        self._there: dict[str, Bundle] = {}

    def reader(self, run_dir: Path, prepared: Prepared) -> Store:
        """See `Publication.reader`: files that this machine lacks are fetched when a state loads them."""
        return FetchingStore(
            self._store,
            run_dir,
            prepared.contracts,
            prepared.reference,
            prepared.vocabularies,
            prepared.request.seed,
        )

    def begin(self, run_dir: Path, identity: Mapping[str, Any], codes: Sequence[str]) -> None:
        """Find out, before anything is computed, whether this store will do.

        Take over what it already proves.

        Raises:
            StorageError: The store cannot be reached or does not honour put-if-absent.
            LockedError: Another run lies there under this run id.
        """
        self._store.recover(run_dir / "staging" / "uploads")
        self._receipt(run_dir, identity)
        require_conditional_put(self._store, RECEIPT_NAME)
        self._store.probe()
        self._sizes = self._store.list()
        copy = RemoteRun(self._store, run_dir / "staging" / "store", self._sizes)
        for code in passed_there(self._sizes, codes):
            keys = [
                key for key in self._sizes if key.startswith(f"gates/{code}/") and DOCUMENT.fullmatch(key)
            ]
            copy_documents(copy, keys)
            with copy.named():  # nothing of a damaged segment may enter the work directory
                problems = document_problems(copy, open_segment(copy.mirror, code, codes))
                if problems:
                    raise gate_refused(code, problems)
            for key in sorted(keys, key=lambda key: key.endswith(FLAG_NAME)):
                data = read_published(copy.mirror / key)
                publish_document(
                    run_dir / "staging", run_dir / key, data, f"It was taken from {self._store.url(key)}."
                )

    def prove(
        self,
        run_dir: Path,
        code: str,
        codes: Sequence[str],
        identity: Mapping[str, Any],
        before: Mapping[str, Bundle],
    ) -> Bundle:
        """See `Publication.prove`: a segment the store proves needs no local data.

        One it lacks is uploaded now.
        """
        if f"gates/{code}/{FLAG_NAME}" in self._sizes:
            bundle = prove_remote(RemoteRun(self._store, run_dir, self._sizes), code, codes, identity, before)
            self._done(run_dir, bundle)
            return bundle
        try:
            bundle = super().prove(run_dir, code, codes, identity, before)
        except GateError as error:
            error.do = (
                f"{self.location} does not hold {code}, and the local copy is not whole: remove {run_dir} "
                "and run again"
            )
            raise
        self.passed(run_dir, bundle)
        return bundle

    def passed(self, run_dir: Path, bundle: Bundle) -> None:
        """Upload a segment; its flag last.

        Raises:
            LockedError: `SHELL.OUTPUT_CONFLICT` if other content is there under one of its names.
            StorageError: The store failed, or gave back other bytes than it was sent.
        """
        started = time.perf_counter()
        gate = f"gates/{bundle.segment}"
        files = [
            (f"{item.path}/{part.name}", part.file_sha256) for item in bundle.datasets for part in item.files
        ]
        documents = [
            (f"{gate}/{name}", digest) for name, digest in sorted(bundle.document["documents"].items())
        ]
        name = f"{bundle.segment}.UP"
        goal = f"every file of {bundle.segment} lies in the store, its flag last"
        self._reporter.tell(StateBegan(name, "upload", goal, 0, 0, len(files) + len(documents) + 2))
        for batch in (
            files,
            documents,
            [(f"{gate}/{INDEX_NAME}", bundle.digest)],
            [(f"{gate}/{FLAG_NAME}", bundle.flag_sha256)],
        ):
            with ThreadPoolExecutor(_UPLOADS) as pool:
                for (key, _), _ in zip(
                    batch, pool.map(lambda entry: self._put(run_dir, *entry), batch), strict=True
                ):
                    self._reporter.tell(PartitionEnded(name, key, 0, False))
        size = sum(item.bytes for item in bundle.datasets)
        rows = sum(item.rows for item in bundle.datasets)
        note = f"{size / 1e6:,.1f} MB proven in the store"
        self._reporter.tell(
            StateEnded(name, "upload", "PASS", rows, time.perf_counter() - started, 0, "", note)
        )
        self._done(run_dir, bundle)

    def ended(self, run_dir: Path) -> None:
        """Upload run reports, named by their content since several machines may write them.

        Give local space back.
        """
        for path in sorted(run_dir.glob("reports/layer*/segment_state_runs/part-*.parquet")):
            digest = sha256_file(path)
            key = f"{path.parent.relative_to(run_dir).as_posix()}/part-{digest[:32]}.parquet"
            if key not in self._sizes:
                self._store.put_new(key, path, digest)
        self._drop(run_dir, all_of_them=True)

    def _receipt(self, run_dir: Path, identity: Mapping[str, Any]) -> None:
        data = read_published(run_dir / RECEIPT_NAME)
        if self._store.stat(RECEIPT_NAME) is None and self._store.put_new(
            RECEIPT_NAME, data, sha256_bytes(data)
        ):
            return
        aside = run_dir / "staging" / "store"
        with storage_errors(aside, "copying the receipt"):
            make_directories(aside)
            (aside / RECEIPT_NAME).write_bytes(self._store.read(RECEIPT_NAME))
        there = read_receipt(aside)
        for name in IDENTITY:
            if there[name] != identity[name]:
                raise _conflict(
                    self._store.url(RECEIPT_NAME), f"{name} {there[name]!r}", f"{identity[name]!r}"
                )

    def _put(self, run_dir: Path, key: str, sha256: str) -> None:
        path, created = run_dir / key, False
        require_file(path, sha256)
        size = path.stat().st_size
        if key not in self._sizes:
            created = self._store.put_new(key, path, sha256)
        found = self._store.stat(key)
        if found is None:
            raise StorageError(
                "SHELL.READ_BACK_MISMATCH", "an object just uploaded is not there", where=self._store.url(key)
            )
        there = (
            (found.sha256 or self._store.sha256(key))
            if found.size == size
            else f"not asked: {found.size} bytes"
        )
        if there == sha256:
            return
        if not created:
            raise _conflict(self._store.url(key), f"SHA-256 {there}", f"SHA-256 {sha256}, {size} bytes")
        raise StorageError(
            "SHELL.READ_BACK_MISMATCH",
            "an object just uploaded reads back differently",
            found=there,
            expected=sha256,
            where=self._store.url(key),
            do=(
                "suspect the store or the way to it; its segment has no flag. Remove the object, then run "
                "again"
            ),
        )

    def _done(self, run_dir: Path, bundle: Bundle) -> None:
        self._there[bundle.segment] = bundle
        self._drop(run_dir)

    def _drop(self, run_dir: Path, all_of_them: bool = False) -> None:
        """Remove local data files that the store proves and that no unfinished segment reads.

        A file that one reads would only be fetched again.
        """
        if self._keep_local:
            return
        for item in (item for bundle in self._there.values() for item in bundle.datasets):
            waiting = {state.split(".")[0] for state in self._readers.get(item.dataset, ())}
            if not (all_of_them or waiting <= set(self._there)):
                continue
            with storage_errors(run_dir / item.path, "removing local copies of what the store holds"):
                for part in item.files:
                    (run_dir / item.path / part.name).unlink(missing_ok=True)
                folder = run_dir / item.path
                while folder != run_dir and folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
                    folder = folder.parent


class FetchingStore(Store):
    """A `Store` that fetches a file from an object store when a state first needs it and it is not there.

    Args:
        objects: The run's objects.
        run_dir: Local run directory.
        rest: As `Store`.
    """

    def __init__(self, objects: ObjectStore, run_dir: Path, *rest: Any) -> None:
        super().__init__(run_dir, *rest)
        self._objects = objects

    def _verify(self, path: Path, file: PartFile) -> None:
        if not os.path.lexists(path):
            self._fetch(path, file)
        super()._verify(path, file)

    def _fetch(self, path: Path, file: PartFile) -> None:
        key = path.relative_to(self._run_dir).as_posix()
        aside = self._run_dir / "staging" / "fetched"
        staged = aside / uuid4().hex
        with storage_errors(aside, "fetching a file"):
            make_directories(aside)
            make_directories(path.parent)
            try:
                found = self._objects.fetch(key, staged)
                if found != file.file_sha256:
                    raise GateError(
                        "SHELL.SEALED_INPUTS_DIGEST_MISMATCH",
                        "an object is not the one that was published",
                        found=f"SHA-256 {found}",
                        expected=f"SHA-256 {file.file_sha256}",
                        where=self._objects.url(key),
                        do="restore the object from a copy, or build the run again with another --out",
                    )
                staged.chmod(0o444)
                rename_new(staged, path)
            finally:
                staged.unlink(missing_ok=True)


def _conflict(where: str, found: str, expected: str) -> LockedError:
    return LockedError(
        "SHELL.OUTPUT_CONFLICT",
        "other content is already in the store under this name",
        found=found,
        expected=expected,
        where=where,
        do=(
            "objects are never replaced: use another --out, or remove that run from the store if nobody "
            "reads it"
        ),
    )

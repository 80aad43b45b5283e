"""A run in an object store: its documents mirrored into a local directory, its data files listed there.

Receipt, seals, manifests, indexes and flags are small: the reader copies them, and the functions that open a
local run prove them. Data files stay where they are; each must be there in its size and, where the store
keeps one, with its SHA-256.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.ground.errors import GateError, SimError, UsageError
from sim.objects.connect import open_store
from sim.objects.location import Location
from sim.objects.store import ObjectStore
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import FLAG_NAME, INDEX_NAME, gate_refused, verify_bundle
from sim.shell.request.receipt import RECEIPT_NAME, identity_problems, read_receipt, refused
from sim.shell.runs.opened import OpenRun, open_segment, segment_problems
from sim.state.records import PartFile, Published

THREADS = 8
DOCUMENT = re.compile(
    r"gates/(?:[0-9A-Za-z]{1,8}|RNG_[0-9A-Za-z]{1,8}_[0-9A-Za-z]{1,8})/"
    r"(states/|(?!states$))[0-9A-Za-z_][0-9A-Za-z_.-]{0,120}"
)
_REPORT = re.compile(r"reports/layer[0-9]/segment_state_runs/part-[0-9a-f]{1,40}\.parquet")
_MOST_DOCUMENTS = 20_000


@dataclass(frozen=True)
class RemoteRun:
    """A run in an object store.

    Attributes:
        store: Its objects.
        mirror: Local directory with its documents, laid out as in the run.
        sizes: Key -> bytes of everything below its prefix, as listed when it was opened.
    """

    store: ObjectStore
    mirror: Path
    sizes: Mapping[str, int]

    @property
    def location(self) -> Location:
        """Where it lies."""
        return self.store.location

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Refusals name objects by URL, not by their copy in the mirror."""
        try:
            yield
        except SimError as error:
            for name in ("what", "where", "found", "expected", "do"):
                setattr(error, name, self.as_url(getattr(error, name)))
            error.examples = [self.as_url(text) for text in error.examples]
            raise

    def as_url(self, text: str) -> str:
        """A text with the mirror's path replaced by the URL."""
        return text.replace(str(self.mirror), str(self.location))


def mirror_run(
    location: Location, options: Mapping[str, Any] | None = None, reports: bool = False
) -> RemoteRun:
    """Copy a run's documents.

    Args:
        location: The run.
        options: For the fsspec filesystem.
        reports: Copy the run reports too.

    Returns:
        The run; its mirror goes when it is no longer held.

    Raises:
        UsageError: `SHELL.RUN_NOT_FOUND` if no receipt is there.
    """
    store = open_store(location, options)
    sizes = store.list()
    if RECEIPT_NAME not in sizes:
        raise UsageError(
            "SHELL.RUN_NOT_FOUND",
            "there is no run at this URL",
            found=f"{len(sizes)} object(s), no {RECEIPT_NAME}",
            expected="the URL of a run: the --out it was built with, a slash, and its run id",
            where=str(location),
            do=f"closedworld status --out {location} lists the runs below it",
        )
    run = RemoteRun(store, Path(tempfile.mkdtemp(prefix="closedworld-run-")), sizes)
    weakref.finalize(run, shutil.rmtree, run.mirror, ignore_errors=True)
    copy_documents(
        run,
        [
            key
            for key in sizes
            if key == RECEIPT_NAME or DOCUMENT.fullmatch(key) or (reports and _REPORT.fullmatch(key))
        ],
    )
    return run


def copy_documents(run: RemoteRun, keys: Sequence[str]) -> None:
    """Copy small objects into the mirror; each is read once, as it is now."""
    if len(keys) > _MOST_DOCUMENTS:
        raise GateError(
            "SHELL.PUBLISHED_FILE_INVALID",
            "a run cannot have so many documents",
            found=str(len(keys)),
            where=str(run.location),
        )

    def copy(key: str) -> None:
        target = run.mirror / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(run.store.read(key))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy, keys))


def passed_there(sizes: Mapping[str, int], codes: Sequence[str]) -> list[str]:
    """Segments whose flag is in the store, in build order."""
    return [code for code in codes if f"gates/{code}/{FLAG_NAME}" in sizes]


def unfinished_there(sizes: Mapping[str, int], codes: Sequence[str]) -> tuple[str, ...]:
    """Segments of which something is in the store, but no flag."""
    begun = {key.split("/")[1] for key in sizes if key.startswith("gates/")} | {
        key.split("/")[2] for key in sizes if key.startswith("data/") and key.count("/") > 2
    }
    return tuple(code for code in codes if code in begun and f"gates/{code}/{FLAG_NAME}" not in sizes)


def open_remote(run: RemoteRun, codes: Sequence[str]) -> OpenRun:
    """Open a mirrored run for reading, as `open_run` does a local one.

    Raises:
        GateError: If anything published is not what its flag or receipt says.
    """
    with run.named():
        receipt = read_receipt(run.mirror)
        problems = identity_problems(run.mirror, receipt)
        if problems:
            raise refused(problems)
        bundles: dict[str, Bundle] = {}
        for code in passed_there(run.sizes, codes):
            bundles[code] = prove_remote(run, code, codes, receipt, bundles)
    return OpenRun(run.mirror, receipt, bundles, unfinished_there(run.sizes, codes))


def prove_remote(
    run: RemoteRun, code: str, codes: Sequence[str], receipt: Mapping[str, Any], before: Mapping[str, Bundle]
) -> Bundle:
    """The bundle of a segment that passed and whose documents are in the mirror; as `require_passed`.

    Raises:
        GateError: If flag, index, identity, chain, or an object's presence or size do not hold.
    """
    bundle = open_segment(run.mirror, code, codes)
    problems = segment_problems(bundle, receipt, before) + document_problems(run, bundle)
    problems += [
        line for item in bundle.datasets for part in item.files for line in size_problems(run, item, part)
    ]
    if problems:
        raise gate_refused(code, problems)
    return bundle


def document_problems(run: RemoteRun, bundle: Bundle) -> list[str]:
    """Where a segment's documents and parent flags are not those its index lists."""
    return verify_bundle(run.mirror, replace(bundle, datasets=()), deep=False)


def size_problems(run: RemoteRun, item: Published, part: PartFile) -> list[str]:
    """Whether a data file was listed, in its size."""
    key = f"{item.path}/{part.name}"
    size = run.sizes.get(key)
    if size == part.bytes:
        return []
    return [
        f"{run.store.url(key)}: missing"
        if size is None
        else f"{run.store.url(key)}: {size} bytes, published with {part.bytes}"
    ]


def stated_problems(run: RemoteRun, item: Published, part: PartFile) -> tuple[list[str], bool]:
    """Whether the store says now that it holds the published bytes; (problems, whether it could say)."""
    key = f"{item.path}/{part.name}"
    found = run.store.stat(key)
    if found is None or found.size != part.bytes:
        return [
            (
                f"{run.store.url(key)}: "
                f"{'missing' if found is None else f'{found.size} bytes, published with {part.bytes}'}"
            )
        ], True
    if found.sha256 is not None and found.sha256 != part.file_sha256:
        return [f"{run.store.url(key)}: SHA-256 {found.sha256}, published as {part.file_sha256}"], True
    return [], found.sha256 is not None


def require_object(run: RemoteRun, item: Published, part: PartFile) -> None:
    """Require the published bytes of a data file: by the store's own SHA-256, else by reading every byte.

    Raises:
        GateError: If it is not.
    """
    problems, stated = stated_problems(run, item, part)
    key = f"{item.path}/{part.name}"
    if not stated and (found := run.store.sha256(key)) != part.file_sha256:
        problems = [f"{run.store.url(key)}: SHA-256 {found}, published as {part.file_sha256}"]
    if problems:
        raise GateError(
            "SHELL.SEALED_INPUTS_DIGEST_MISMATCH",
            "an object is not the one that was published",
            found=problems[0].removeprefix(f"{run.store.url(key)}: "),
            expected=f"SHA-256 {part.file_sha256}",
            where=run.store.url(key),
            do="restore the object from a copy, or build the run again with another --out",
        )


def stranger_keys(run: RemoteRun, bundles: Mapping[str, Bundle], unfinished: Sequence[str]) -> list[str]:
    """Objects under data/ and gates/ that no bundle lists; unfinished segments are left out."""
    listed = {
        f"{item.path}/{part.name}"
        for bundle in bundles.values()
        for item in bundle.datasets
        for part in item.files
    }
    for code, bundle in bundles.items():
        listed |= {f"gates/{code}/{name}" for name in (*bundle.document["documents"], INDEX_NAME, FLAG_NAME)}
    skipped = tuple(f"gates/{code}/" for code in unfinished)
    problems = []
    for key in sorted(run.sizes):
        parts = key.split("/")
        if parts[0] not in ("data", "gates") or key in listed or key.startswith(skipped):
            continue
        if parts[0] == "data" and len(parts) > 2 and parts[2] in unfinished:
            continue
        problems.append(f"{run.store.url(key)}: an object that no bundle lists")
    return problems

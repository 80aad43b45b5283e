"""Runs in a directory, and how far each got: cheap looks, no proof. `verify` proves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sim.ground.errors import GateError, SimError, UsageError
from sim.ground.plain_file import read_plain
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.request.receipt import RECEIPT_NAME, read_receipt
from sim.shell.runs.opened import linked_folder, passed_segments, state_files
from sim.shell.tables.bounds import require_bounded_table

_REPORT_TYPES = {
    "ended_utc": pa.timestamp("us", tz="UTC"),
    "step": pa.uint32(),
    "segment": pa.string(),
    "state": pa.string(),
    "status": pa.dictionary(pa.int16(), pa.string()),
    "error_code": pa.string(),
    "rows": pa.uint64(),
    "partitions_resumed": pa.uint32(),
    "wall_ms": pa.uint64(),
    "peak_rss_bytes": pa.uint64(),
}
_REPORT_BYTES, _REPORT_ROWS, _REPORT_MEMORY = 1 << 24, 100_000, 256 << 20
REPORT_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _REPORT_TYPES.items()])


@dataclass(frozen=True)
class RunStatus:
    """One run directory at a glance.

    Attributes:
        state: `running` (someone holds its lock), `complete` (every segment passed), `partial`, or `damaged`
            (no usable receipt).
        passed: Segments that passed, in build order.
        holder: Who holds the lock, as they wrote it; empty when nobody does.
        note: What is wrong with it, if anything is.
        bytes: Sizes of all its files together.
    """

    run_id: str
    path: str
    state: str
    preset: str
    seed: str
    scenarios: tuple[str, ...]
    passed: tuple[str, ...]
    holder: str
    note: str = ""
    bytes: int = 0


def list_runs(root: Path, codes: Sequence[str]) -> list[RunStatus]:
    """Every run directory under `root`, oldest first."""
    if not root.is_dir():
        return []
    found = [
        entry
        for entry in root.iterdir()
        if not entry.name.startswith(".") and (entry / RECEIPT_NAME).is_file()
    ]
    return [
        run_status(entry, codes)
        for entry in sorted(found, key=lambda entry: ((entry / RECEIPT_NAME).stat().st_mtime_ns, entry.name))
    ]


def run_status(run_dir: Path, codes: Sequence[str]) -> RunStatus:
    """One run at a glance."""
    passed = tuple(passed_segments(run_dir, codes))
    held, holder = probe_lock(run_dir)
    size = size_of(run_dir)
    try:
        receipt = read_receipt(run_dir)
    except SimError as error:
        return RunStatus(
            run_dir.name,
            str(run_dir),
            "damaged",
            "",
            "",
            (),
            passed,
            holder,
            f"{error.what}: {error.found}",
            size,
        )
    state = "running" if held else "complete" if len(passed) == len(codes) else "partial"
    scenarios = tuple(receipt["scenarios"])
    return RunStatus(
        receipt["run_id"],
        str(run_dir),
        state,
        receipt["preset"],
        str(receipt["seed"]),
        scenarios,
        passed,
        holder,
        "",
        size,
    )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, links and what cannot be looked at aside."""
    size, todo = 0, [folder]
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    size += entry.stat(follow_symlinks=False).st_size
    return size


def asked_for(run_dir: Path) -> dict[str, Any]:
    """The request of a run, from its receipt: overrides, and user files by name, rows and digest.

    Empty for a damaged receipt.
    """
    try:
        receipt = read_receipt(run_dir)
    except SimError:
        return {"overrides": {}, "externals": []}
    provenance = receipt["provenance"]
    overrides, files = provenance.get("overrides"), provenance.get("externals")
    files = files if isinstance(files, dict) else {}
    externals = []
    for name, digest in receipt["externals"].items():
        about = files.get(name)
        about = about if isinstance(about, dict) else {}
        file, rows = about.get("file"), about.get("rows")
        externals.append(
            {
                "input": name,
                "file": file if isinstance(file, str) else None,
                "rows": rows if isinstance(rows, int) else None,
                "sha256": digest,
            }
        )
    return {"overrides": overrides if isinstance(overrides, dict) else {}, "externals": externals}


def probe_lock(run_dir: Path) -> tuple[bool, str]:
    """Whether somebody holds the run lock, and the name they left in it. Creates nothing.

    The probe takes the lock shared for an instant, since the kernel names a holder in no other way.
    """
    try:
        fd = os.open(run_dir / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False, ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False, ""
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True, os.pread(fd, 4096, 0).decode("utf-8", "replace").strip()
        return False, ""
    finally:
        os.close(fd)


def state_rows(run_dir: Path, codes: Sequence[str]) -> list[dict[str, Any]]:
    """One row a state, as its latest invocation left it.

    A row has state, status, rows, seconds, resumed partitions, memory and error. It comes from the run
    reports where there are any, and from the state's manifest where its report is missing.

    Raises:
        UsageError: `SHELL.REPORT_UNREADABLE` if a report file is not one (reports are not sealed).
    """
    latest: dict[str, dict[str, Any]] = {}
    for row in report_rows(run_dir):
        before = latest.get(row["state"])
        if row["status"] == "PROVEN" and before is not None and before["status"] == "PASS":
            continue  # the invocation that built it says more than the one that found it
        latest[row["state"]] = row
    for code, path in state_files(run_dir, codes):
        if path.stem not in latest:
            manifest = StateManifest.decode(read_published(path), str(path))
            rows = sum(item.rows for item in manifest.datasets)
            row = {"segment": code, "state": path.stem, "status": "PASS", "rows": rows}
            latest[path.stem] = dict.fromkeys(REPORT_SCHEMA.names) | row
    place = {code: number for number, code in enumerate(codes)}

    def order(row: dict[str, Any]) -> tuple[int, int, str]:
        step = row["state"].partition(".")[2]
        last = 1 if step == "BUNDLE" or not step.startswith("S") or not step[1:].isdigit() else 0
        return place.get(row["segment"], len(place)), 10**6 if last else int(step[1:]), row["state"]

    return sorted(latest.values(), key=order)


def report_rows(run_dir: Path) -> Iterator[dict[str, Any]]:
    """Rows of all run reports in the order they were written."""
    rows: list[dict[str, Any]] = []
    layers = [] if (run_dir / "reports").is_symlink() else sorted((run_dir / "reports").glob("layer*"))
    folders = [f"reports/{layer.name}/segment_state_runs" for layer in layers]
    plain = [run_dir / folder for folder in folders if linked_folder(run_dir, [f"{folder}/*"]) is None]
    for path in sorted(path for folder in plain for path in folder.glob("part-*.parquet")):
        if not stat.S_ISREG(path.lstat().st_mode):
            continue
        try:
            data = read_plain(path, _REPORT_BYTES, follow=False)
            require_bounded_table(str(path), data, _REPORT_MEMORY)
            with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
                if file.metadata.num_rows > _REPORT_ROWS:
                    raise pa.ArrowInvalid(
                        f"{file.metadata.num_rows:,} rows by its footer, at most {_REPORT_ROWS:,} are written"
                    )
                # as in reference.py: the bytes are Python's
                table = file.read(columns=REPORT_SCHEMA.names, use_threads=False)
            if not table.schema.remove_metadata().equals(REPORT_SCHEMA):
                raise pa.ArrowInvalid(f"other columns: {table.schema.names}")
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except (OSError, pa.ArrowException, UnicodeDecodeError, GateError) as error:
            # names that are no UTF-8, more than a report can be
            found = error.found if isinstance(error, GateError) else str(error).strip().splitlines()[0]
            raise UsageError(
                "SHELL.REPORT_UNREADABLE",
                "a run report cannot be read",
                found=found[:200],
                where=str(path),
                do="remove it: reports are not part of what is published",
            ) from error
        rows += table.to_pylist()
    yield from sorted(rows, key=lambda row: (row["ended_utc"], row["step"]))

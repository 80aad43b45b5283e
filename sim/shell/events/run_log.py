"""Events as lines: JSON for programs (`--json-events`, `--log FILE`), text for people (`--verbose`).

All three say the same. Stages of partitions are many; the lines sum them up as `progress`, now and then.
`contracts/meta/event.yaml` describes the lines.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sim.ground.errors import StorageError, UsageError
from sim.ground.plain_text import one_line
from sim.shell.events import events
from sim.shell.events.events import Event
from sim.shell.events.hub import Progress
from sim.shell.events.progress import rate, where
from sim.shell.publish.documents import RECEIPT_NAME

EVENT_SCHEMA = "closedworld.event/1"


class Told:
    """Renders events as lines.

    Args:
        write: Takes one line, its end included.
        form: Makes a line of an event's name, fields, time and seconds since the beginning.
        every: Seconds between lines of progress.
    """

    def __init__(
        self, write: Callable[[str], None], form: Callable[[str, dict[str, Any], float], str], every: float
    ) -> None:
        self._write, self._form, self._every = write, form, every
        self._began = self._last = time.monotonic()

    def hear(self, event: Event, progress: Progress) -> None:
        """Write it; of progress, what is due."""
        now = time.monotonic()
        if isinstance(event, events.Stage | events.PartitionEnded):
            if now - self._last >= self._every:
                self._last = now
                self._write(self._form("progress", _position(progress), now - self._began))
            return
        if isinstance(event, events.StateBegan):
            self._last = now
        fields = asdict(event)
        if isinstance(event, events.SegmentSealed):
            fields["counts"] = counts(event)
        self._write(self._form(_name(event), fields, now - self._began))

    def close(self) -> None:
        """Nothing to put away."""


def _name(event: Event) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", type(event).__name__).lower()


def _position(progress: Progress) -> dict[str, Any]:
    return {
        "state": progress.state,
        "number": progress.number,
        "of": progress.of,
        "partitions": progress.partitions,
        "done": progress.done,
        "stages": progress.stages,
        "rows": progress.rows_so_far,
        "seconds_in_state": round(progress.seconds, 3),
        "eta_seconds": None if progress.eta is None else round(progress.eta, 1),
        "text": where(progress),
    }


def counts(event: events.SegmentSealed) -> dict[str, dict[str, int]]:
    """Sealed inputs by role and by status."""
    return {
        name: dict(sorted(Counter(row[name] for row in event.inputs).items())) for name in ("role", "status")
    }


def json_line(name: str, fields: dict[str, Any], elapsed: float) -> str:
    """An event as one line of JSON, in ASCII."""
    utc = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    document = {"schema": EVENT_SCHEMA, "event": name, "utc": utc, "elapsed": round(elapsed, 3), **fields}
    return json.dumps(document, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def text_line(name: str, fields: dict[str, Any], elapsed: float) -> str:
    """An event as text: a line, and one more for each part of it."""
    lines = _TEXTS[name](fields)
    return "".join(f"{elapsed:9.2f}  {one_line(line)}\n" for line in lines)


def _began(e: dict[str, Any]) -> list[str]:
    scenarios = ", ".join(e["scenarios"])
    why = f" ({e['why']})" if e["why"] else ""
    return [
        (
            f"run {e['run_id']} begins: preset {e['preset']}, seed {e['seed']}, scenarios {scenarios}; "
            f"{e['states']} states"
        )
        + (f", until {e['until']}" if e["until"] else ""),
        f"  in {e['run_dir']}; backend {e['backend']}{why}, executor {e['executor']}, {e['workers']} workers",
    ]


def _sealed(e: dict[str, Any]) -> list[str]:
    text_lines = [
        f"{e['segment']}  {e['title']}: sealed; "
        + "; ".join(f"{name} {_counted(found)}" for name, found in e["counts"].items())
    ]
    text_lines += [
        f"  gate {gate['segment']} PASS, bundle {gate['bundle_sha256'][:16]}" for gate in e["gates"]
    ]
    # one a contract file: the log has them all
    listed = [row for row in e["inputs"] if row["role"] != "CONTRACT"]
    return text_lines + [
        f"  {row['status']:<8} {row['role']:<20} {row['key']}  {row['path']}  ({row['method']})"
        for row in listed
    ]


def _counted(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.items())


def _checked(e: dict[str, Any]) -> list[str]:
    good = sum(bool(check["passed"]) for check in e["checks"])
    text_lines = [f"{e['state']}  {good} of {len(e['checks'])} checks passed"]
    for check in e["checks"]:
        name = f"{check['dataset']}: {check['name']}" if check.get("dataset") else check["name"]
        figures = [
            f"{part} {_figure(check[part])}" for part in ("rows", "found", "expected") if part in check
        ]
        text_lines.append(f"  {'ok ' if check['passed'] else 'NOT'} {name}  {', '.join(figures)}")
    return text_lines


def _figure(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=_plain)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _ended(e: dict[str, Any]) -> list[str]:
    note = e["error_code"] or e["note"] or rate(e["rows"], e["seconds"])
    return [f"{e['state']}  {e['status']}: {e['rows']:,} rows in {e['seconds']:.2f} s, {note}"]


_TEXTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "run_began": _began,
    "input_read": lambda e: [f"{e['input']} {line}" for line in e["lines"]],
    "kernels_compiling": lambda e: [
        f"kernels {e['done']}/{e['kernels']} compiled for {e['backend']} in {e['seconds']:.1f} s"
    ],
    "segment_sealed": _sealed,
    "state_began": lambda e: [
        (
            f"{e['state']}  {e['title']} begins (state {e['number']} of {e['of']}, {e['partitions']} "
            f"partitions): {e['objective']}"
        )
    ],
    "progress": lambda e: [e["text"]],
    "checked": _checked,
    "state_ended": _ended,
    "segment_passed": lambda e: [
        f"{e['segment']}  {'had passed before' if e['taken_over'] else 'passed'}: {e['checks']} checks, "
        f"{e['datasets']} datasets,"
        f" {e['rows']:,} rows, {e['bytes'] / 1e6:,.1f} MB, bundle {e['bundle_sha256'][:16]}"
    ],
    "run_ended": lambda e: [
        f"run ended: {e['outcome']}, exit {e['exit_code']}, {e['seconds']:.2f} s"
        + (f"; {e['code']}: {e['what']}" if e["code"] else "")
    ],
}


def json_events() -> Told:
    """JSON lines on stderr, for programs that watch the run."""
    return Told(_to_stderr, json_line, 0.2)


def verbose() -> Told:
    """Text on stderr."""
    return Told(_to_stderr, text_line, 5.0)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class LogFile(Told):
    """JSON lines appended to a file.

    If it cannot be written any more, one warning says so and the run goes on without it.

    Args:
        path: The file; made if it is not there.
        run_dir: Where the run is built: no log may lie there, nor in another run.

    Raises:
        UsageError: `SHELL.LOG_INSIDE_RUN`.
        StorageError: `SHELL.LOG_NOT_WRITABLE`.
    """

    def __init__(self, path: Path, run_dir: Path) -> None:
        super().__init__(self._append, json_line, 1.0)
        self._path = path
        self._number: int | None = None
        try:
            place = path.resolve()
            inside = any(
                folder == run_dir.resolve() or (folder / RECEIPT_NAME).is_file()
                for folder in (place, *place.parents)
            )
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a ring
            raise self._refused(error) from error
        if inside:
            raise UsageError(
                "SHELL.LOG_INSIDE_RUN",
                "a log is no part of a run: what lies in a run's directory is published, or work on that",
                found=str(path),
                expected="a file in no run's directory",
                do="--log with another path",
            )
        try:
            # A pipe without a reader is refused instead of waited for.
            self._number = os.open(
                path,
                os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY,
                0o644,
            )
            if stat.S_ISDIR(os.fstat(self._number).st_mode):
                raise IsADirectoryError(f"{path} is a directory")
            os.write(self._number, b"")
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file."""
        if self._number is not None:
            with contextlib.suppress(OSError):
                os.close(self._number)
            self._number = None

    def _append(self, text: str) -> None:
        if self._number is None:
            return
        data = memoryview(text.encode())
        try:
            while data:
                data = data[os.write(self._number, data) :]
        except OSError as error:
            self.close()
            sys.stderr.write(
                one_line(
                    f"warning: the log {self._path} ends here ({error.strerror or error}); the run goes on"
                )
                + "\n"
            )

    def _refused(self, error: Exception) -> StorageError:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        do = "a path that can be written, or no --log"
        return StorageError(
            "SHELL.LOG_NOT_WRITABLE",
            "the log cannot be written",
            found=str(why),
            where=str(self._path),
            do=do,
        )

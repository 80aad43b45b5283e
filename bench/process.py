"""Fresh processes: one run of a world each, with its wall time, processor time and memory.

`ru_maxrss` of a child includes what its parent held when it was started, so the high-water mark is read from
the child's own `/proc/<pid>/status` while it runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case import ROOT, Options


@dataclass(frozen=True)
class Finished:
    """A process that ended well.

    Attributes:
        text: Its standard output.
        wall: Seconds.
        cpu: Processor seconds, user and system.
        peak_rss: Bytes: high-water mark of resident memory, file pages included.
        peak_anon: Bytes: highest seen of memory that is no file's.
    """

    text: str
    wall: float
    cpu: float
    peak_rss: int
    peak_anon: int


def python(arguments: Sequence[str], root: Path = ROOT, **environment: str) -> Finished:
    """Run this Python with arguments, importing from `root`.

    Raises:
        RuntimeError: If it fails; says the end of what it printed.
    """
    command = [sys.executable, *arguments]
    peaks = {"VmHWM": 0, "RssAnon": 0}
    over = threading.Event()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks, over), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watcher.join()
        out.seek(0)
        errors.seek(0)
        text, told = out.read().decode(), errors.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {process.returncode}: {text[-1500:]}{told[-1500:]}"
        )
    return Finished(text, wall, usage.ru_utime + usage.ru_stime, peaks["VmHWM"], peaks["RssAnon"])


def build(
    options: Options, preset: str, out: Path, extra: Sequence[str] = (), root: Path = ROOT
) -> tuple[Finished, dict[str, Any]]:
    """One `closedworld run` in a fresh process: what it cost and what it said."""
    command = [
        "-m",
        "sim",
        "run",
        "--preset",
        preset,
        "--workers",
        str(options.workers),
        "--out",
        str(out),
        "--json",
    ]
    done = python([*command, *_settings(options), *extra], root)
    return done, json.loads(done.text)


def metered(
    options: Options, preset: str, out: Path, extra: Sequence[str] = (), root: Path = ROOT
) -> tuple[Finished, dict[str, Any]]:
    """The same run with memory and processor time kept apart for each state (`meter.py`)."""
    command = [
        str(ROOT / "bench/meter.py"),
        "--preset",
        preset,
        "--workers",
        str(options.workers),
        "--out",
        str(out),
    ]
    done = python([*command, *_settings(options), *extra], root)
    return done, json.loads(done.text)


def published_bytes(out: Path) -> int:
    """Bytes of all Parquet files under a directory."""
    return sum(path.stat().st_size for path in out.rglob("*.parquet"))


def _settings(options: Options) -> list[str]:
    until = ["--until", options.until] if options.until else []
    return [*(word for setting in options.settings for word in ("--set", setting)), *until]


def _watch(pid: int, peaks: dict[str, int], over: threading.Event) -> None:
    status = Path(f"/proc/{pid}/status")
    while not over.wait(0.02):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            name, _, value = line.partition(":")
            if name in peaks:
                peaks[name] = max(peaks[name], int(value.split()[0]) * 1024)

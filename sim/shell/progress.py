"""Progress on stderr: a live bar on a terminal, one line a state elsewhere. Never on stdout, never part of any output."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


class Reporter(Protocol):
    """What the run tells whoever is watching."""

    def begin(self, state: str, title: str, partitions: int) -> None:
        """A state starts."""

    def advance(self, rows: int) -> None:
        """A partition of the current state is done, with this many rows."""

    def end(self, state: str, rows: int, seconds: float, note: str) -> None:
        """A state is published (or was proven already)."""

    def close(self) -> None:
        """The run is over, one way or the other."""


class Silent:
    """No progress at all (tests, `--quiet`)."""

    def begin(self, state: str, title: str, partitions: int) -> None:
        """Ignore."""

    def advance(self, rows: int) -> None:
        """Ignore."""

    def end(self, state: str, rows: int, seconds: float, note: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


def _rate(rows: int, seconds: float) -> str:
    per_second = rows / seconds if seconds > 0 else 0.0
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if per_second >= size:
            return f"{per_second / size:.1f}{unit} rows/s"
    return f"{per_second:.0f} rows/s"


class Lines:
    """Plain text for logs and pipes: a line when a state ends, and one every ten seconds while it runs."""

    def __init__(self) -> None:
        self._state, self._title, self._total, self._done, self._rows = "", "", 0, 0, 0
        self._started = self._told = time.monotonic()

    def begin(self, state: str, title: str, partitions: int) -> None:
        """Remember what is running."""
        self._state, self._title, self._total, self._done, self._rows = state, title, partitions, 0, 0
        self._started = self._told = time.monotonic()

    def advance(self, rows: int) -> None:
        """Say where the state is, at most every ten seconds."""
        self._done += 1
        self._rows += rows
        now = time.monotonic()
        if now - self._told >= 10:
            self._told = now
            elapsed = now - self._started
            eta = elapsed / self._done * (self._total - self._done)
            self._say(f"{self._state}  {self._done}/{self._total}  {self._rows:,} rows  {_rate(self._rows, elapsed)}  ETA {eta:.0f}s")

    def end(self, state: str, rows: int, seconds: float, note: str) -> None:
        """Say that the state is published."""
        self._say(f"{state}  {self._title}  {rows:,} rows  {seconds:.2f}s  {note or _rate(rows, seconds)}")

    def close(self) -> None:
        """Nothing to put away."""

    def _say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Bars:
    """A live bar per state with rows/s and ETA."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[state]:<5} {task.description:<22.22}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>13}"),
            TextColumn("ETA"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=1, state="", rate="", visible=False)
        self._rows, self._started, self._title = 0, time.monotonic(), ""

    def begin(self, state: str, title: str, partitions: int) -> None:
        """Show the state's bar."""
        self._rows, self._started, self._title = 0, time.monotonic(), title
        self._progress.reset(self._task, total=max(partitions, 1), description=title, state=state, rate="", visible=True)

    def advance(self, rows: int) -> None:
        """Move the bar by one partition."""
        self._rows += rows
        self._progress.update(self._task, advance=1, rate=_rate(self._rows, time.monotonic() - self._started))

    def end(self, state: str, rows: int, seconds: float, note: str) -> None:
        """Leave a line behind for the finished state."""
        self._progress.update(self._task, visible=False)
        figures = f"{rows:>12,} rows {seconds:>7.2f}s  {note or _rate(rows, seconds)}"
        self._progress.print(f"[green]ok[/] {state:<5} {self._title:<22.22} {figures}")  # fits 80 columns

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()


def reporter(quiet: bool) -> Reporter:
    """The reporter that fits stderr: bars on a terminal, lines elsewhere, nothing when quiet."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()

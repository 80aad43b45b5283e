"""Progress on stderr: a live bar on a terminal, one line a state elsewhere.

Never on stdout, never part of any output.
"""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from sim.ground.plain_text import one_line
from sim.shell.events.events import (
    Event,
    InputRead,
    KernelsCompiling,
    PartitionEnded,
    Reporter,
    RunBegan,
    Silent,
    Stage,
    StateBegan,
    StateEnded,
)
from sim.shell.events.hub import Hub, Listener
from sim.shell.events.hub import Progress as Position

__all__ = ["Bars", "Lines", "Reporter", "Silent", "listener_for_people", "rate", "reporter", "where"]

_EVERY = 10.0


def rate(rows: int, seconds: float) -> str:
    """Rows a second, as people read it."""
    return f"{_short(rows / seconds if seconds > 0 else 0.0)} rows/s"


def _short(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def _stages(position: Position) -> str:
    return ", ".join(f"{count} {stage}" for stage, count in position.stages.items())


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = round(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02}"
    )


def where(position: Position) -> str:
    """Where the state under way is, in one line."""
    done = f"{position.done}/{position.partitions} partitions"
    under_way = f" ({_stages(position)})" if position.flying else ""
    rows = position.rows_so_far
    pace = f"{rows:,} rows  {rate(rows, position.seconds)}  ETA {_left(position.eta)}"
    return f"{position.state}  state {position.number} of {position.of}  {done}{under_way}  {pace}"


def _literal(text: str) -> str:
    """Text that is no markup of rich, nor drives a terminal."""
    return escape(one_line(text))


class Lines:
    """Plain text for logs and pipes: a line when a state ends, and one every ten seconds while it runs."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def hear(self, event: Event, progress: Position) -> None:
        """Say it, if it is to be said."""
        now = time.monotonic()
        if isinstance(event, RunBegan):
            self._say(f"backend {event.backend}{f' ({event.why})' if event.why else ''}")
        elif isinstance(event, InputRead):
            for line in event.lines:
                self._say(f"{event.input} {line}")
        elif isinstance(event, KernelsCompiling):
            if event.done in (0, event.kernels) or now - self._told >= _EVERY:
                self._say(
                    f"kernels  {event.done}/{event.kernels} compiled, once for this machine  "
                    f"{event.seconds:.1f}s"
                )
        elif isinstance(event, StateBegan):
            self._told = now
        elif isinstance(event, StateEnded):
            note = event.error_code or event.note or rate(event.rows, event.seconds)
            failed = "  FAILED" if event.status == "FAIL" else ""
            self._say(
                f"{event.state}  {event.title}  {event.rows:,} rows  {event.seconds:.2f}s  "
                f"{note}{failed}{_of(event, progress)}"
            )
        elif progress.state and now - self._told >= _EVERY:
            self._say(where(progress))

    def close(self) -> None:
        """Nothing to put away."""

    def _say(self, text: str) -> None:
        self._told = time.monotonic()
        sys.stderr.write(one_line(text) + "\n")
        sys.stderr.flush()


def _of(event: StateEnded, progress: Position) -> str:
    return (
        f"  ({progress.number} of {progress.of})" if progress.state == event.state and progress.number else ""
    )


class Bars:
    """A live line for the state under way, and one that stays for every state that ended.

    They fit 80 columns.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8),
            TextColumn("{task.fields[what]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=1, what="", visible=False)

    def hear(self, event: Event, progress: Position) -> None:
        """Move the bar, or leave a line behind."""
        if isinstance(event, InputRead):
            for line in event.lines:
                self._progress.console.print(one_line(f"{event.input} {line}"), markup=False)
        elif isinstance(event, KernelsCompiling):
            over = event.done == event.kernels
            what = f"{event.done}/{event.kernels}, once for this machine"
            self._progress.update(self._task, total=event.kernels, completed=event.done)
            self._progress.update(self._task, description="compiling kernels", what=what, visible=not over)
            if over:
                self._progress.print(
                    f"[green]ok[/] {event.kernels} kernels compiled, once for this machine "
                    f"{event.seconds:>9.2f}s"
                )
        elif isinstance(event, StateEnded):
            self._progress.update(self._task, visible=False)
            figures = (
                f"{event.rows:>12,} rows {event.seconds:>7.2f}s  "
                f"{event.error_code or event.note or rate(event.rows, event.seconds)}"
            )
            mark = "[red]no[/]" if event.status == "FAIL" else "[green]ok[/]"
            self._progress.print(f"{mark} {_literal(f'{event.state:<5} {event.title:<22.22} {figures}')}")
        elif isinstance(event, StateBegan | Stage | PartitionEnded) and progress.partitions:
            busiest = max(progress.stages, key=lambda stage: progress.stages[stage], default="")
            rows = _short(progress.rows_so_far)
            what = (
                f"{progress.done}/{progress.partitions} {busiest:<9.10} {rows:>6} rows  ETA "
                f"{_left(progress.eta)}"
            )
            about = f"state {progress.number} of {progress.of}  {progress.state:<5} {progress.title:<16.16}"
            total = progress.partitions
            self._progress.update(
                self._task,
                total=total,
                completed=progress.completed,
                description=one_line(about),
                what=one_line(what),
                visible=True,
            )

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()


def listener_for_people() -> Listener:
    """What fits stderr: bars on a terminal, lines elsewhere, or where no thread can be had for bars."""
    if not sys.stderr.isatty():
        return Lines()
    try:
        return Bars()
    except RuntimeError:
        return Lines()


def reporter(quiet: bool) -> Reporter:
    """The reporter that fits stderr, or one that ignores every event."""
    return Silent() if quiet else Hub(listener_for_people())

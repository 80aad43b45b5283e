"""The options of `closedworld run` that choose its listeners, and the event that ends a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import EXIT_INTERRUPTED, refuse_usage

if TYPE_CHECKING:
    from sim.shell.events.events import Reporter

QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="What --log says, as text on stderr; at the end every state and dataset."
    ),
]
JsonEventsOption = Annotated[
    bool, typer.Option("--json-events", help="Progress as JSON lines on stderr, for programs.")
]
LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Append inputs, phases, progress, checks and outcome to FILE as JSON lines.",
    ),
]


@contextlib.contextmanager
def telling(
    quiet: bool, verbose: bool, json_events: bool, log: Path | None, run_dir: Path, until: str | None
) -> Iterator[Reporter]:
    """The listeners of a run, closed at the end with an event that says how it ended.

    Raises:
        UsageError, StorageError: The log cannot be had there; nothing was built.
    """
    from sim.ground.errors import SimError
    from sim.shell.events.events import RunEnded
    from sim.shell.events.hub import Hub, Listener
    from sim.shell.events.progress import listener_for_people
    from sim.shell.events.run_log import LogFile
    from sim.shell.events.run_log import json_events as events_as_json
    from sim.shell.events.run_log import verbose as events_as_text

    if (quiet and verbose) or (verbose and json_events):
        refuse_usage("--verbose goes neither with --quiet nor with --json-events")
    listeners: list[Listener] = [LogFile(log, run_dir)] if log is not None else []
    if json_events:
        listeners.append(events_as_json())
    elif verbose:
        listeners.append(events_as_text())
    elif not quiet:
        listeners.append(listener_for_people())
    hub, started = Hub(*listeners), time.monotonic()

    def ended(outcome: str, exit_code: int, code: str = "", what: str = "") -> None:
        hub.tell(RunEnded(outcome, exit_code, code, what, round(time.monotonic() - started, 3)))

    try:
        yield hub
        ended("complete" if until is None else "partial", 0)
    except SimError as error:
        ended("refused", error.exit_code, error.code, error.what)
        raise
    except (OSError, MemoryError) as error:
        ended("refused", 7, type(error).__name__, str(error))
        raise
    except BaseException as error:
        number = getattr(error, "number", None)  # of a signal
        if number in EXIT_INTERRUPTED:
            ended(
                "stopped", EXIT_INTERRUPTED[number], f"signal {number}", "run the same command again to go on"
            )
        else:
            ended("bug", 1, type(error).__name__, str(error))
        raise
    finally:
        hub.close()

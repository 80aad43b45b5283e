"""Entry point of the `closedworld` command: the typer application, signals, and the table of exit codes.

Exit codes: 0 ok, 1 bug, 2 usage, 3 contract or config, 4 validation failed, 5 gate or seal refused, 6 locked
or conflict, 7 I/O, 8 worker, 9 backend unavailable, 129, 130 and 143 signals.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from sim import __version__
from sim.cli import commands
from sim.cli.common import EXIT_INTERRUPTED, refuse, settings
from sim.cli.streams import ReaderLeft, give_up_results, results, settle

if TYPE_CHECKING:
    from sim.ground.errors import SimError

app = typer.Typer(
    name="closedworld",
    help="Build, check and query a deterministic synthetic payments world.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
commands.register(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"closedworld {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every refusal.")] = False,
) -> None:
    settings.debug = debug
    _require_surroundings()


def _require_surroundings() -> None:
    """What every library below takes for granted: a current directory, and names that are text."""
    from sim.ground.errors import StorageError, UsageError

    try:
        here = str(Path.cwd())
    except OSError as error:
        found = f"{errno.errorcode.get(error.errno or 0, 'OSError')}: {error.strerror or error}"
        raise StorageError(
            "SHELL.NO_CURRENT_DIRECTORY",
            "the current directory is gone",
            found=found,
            do="cd to one that is there",
        ) from error
    for name in (*sys.argv[1:], here):
        # bytes that this process's encoding does not know
        if any(0xD800 <= ord(char) <= 0xDFFF for char in name):
            encoding = sys.getfilesystemencoding()
            do = (
                "give it in UTF-8"
                if encoding == "utf-8"
                else "PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8"
            )
            raise UsageError(
                "SHELL.NOT_TEXT",
                "an argument, or the current directory, is not text in the encoding of this environment",
                found=ascii(os.fsencode(name)[:100])[1:],
                expected=f"text in {encoding}",
                do=do,
            )


_STOPPING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Stop(BaseException):  # not a KeyboardInterrupt: typer would turn that into its own exit
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _on_signal(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise _Stop(number)


def _ignore_late_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _heed_signals() -> None:
    """Stop in order on a signal; a hang-up of the terminal is ignored under `nohup`."""
    for number in _STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


def _machine(error: OSError | MemoryError, kind: type[SimError]) -> SimError:
    if isinstance(error, MemoryError):
        do = "run again in more memory: what was finished is kept"
        return kind("SHELL.OUT_OF_MEMORY", "memory ran out", found=str(error), do=do)
    found = f"{errno.errorcode.get(error.errno or 0, 'OSError')}: {error.strerror or error}"
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    do = (
        "see to what the system refused (space, permissions, ulimit -n), then run again: what was finished "
        "is kept"
    )
    return kind("SHELL.IO_FAILED", "the operating system refused a call", found=found, where=where, do=do)


def _lost_result() -> SimError | None:
    """The refusal, if it was standard output that refused what typer wrote to it (help)."""
    from sim.ground.errors import StorageError

    try:
        with contextlib.suppress(ReaderLeft), results():
            return None
    except StorageError as error:
        return error
    return None


def main() -> None:
    """Run the command line and exit with the documented code."""
    from sim.executors.allocator import keep_freed_memory
    from sim.ground.errors import SimError, StorageError, UsageError
    from sim.ground.plain_text import clean

    settle()
    keep_freed_memory()
    # Registered first, so called last, when no thread is left to wait for: the interpreter would end by a
    # signal that came as late.
    atexit.register(_ignore_late_signals)
    _heed_signals()
    settings.json, settings.begun = "--json" in sys.argv[1:], False
    code = 0
    try:
        result = app(standalone_mode=False)
        code = result if isinstance(result, int) else 0  # typer returns the code of a typer.Exit
        with results():
            pass  # help and the version are written by typer
    except _Stop as stop:
        sys.stderr.write("stopped; what was finished is kept: run the same command again to go on\n")
        code = EXIT_INTERRUPTED[stop.number]
    except SimError as error:
        if settings.debug:
            sys.stderr.write(clean(traceback.format_exc()))
        code = refuse(error)
    except ReaderLeft:
        pass
    except SystemExit:
        # rich and typer raise this when the reader of the help has gone; nothing else here raises it
        give_up_results()
    except (typer.Exit, typer.Abort) as stop:
        code = getattr(stop, "exit_code", 1)
    except (OSError, MemoryError) as error:  # anything a machine can run out of, wherever it happened
        if settings.debug:
            sys.stderr.write(clean(traceback.format_exc()))
        code = refuse(_lost_result() or _machine(error, StorageError))
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
            code = refuse(
                UsageError(
                    "SHELL.USAGE",
                    error.format_message(),
                    do="closedworld --help, or --help after the command",
                )
            )
        else:
            raise
    raise SystemExit(code)

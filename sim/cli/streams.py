"""The standard streams: results that cannot be written are refused (exit 7), remarks beside them are dropped.

A remark decides nothing, so a run goes on without it. Where whoever started the process left a stream closed,
this module takes its number, so that no file of a run can get it and be written into by mistake.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

RESULT_NOT_WRITTEN = "SHELL.RESULT_NOT_WRITTEN"


class ReaderLeft(Exception):  # no OSError: typer would end the process over that one
    """Whoever read the result has gone, which is their right: `| head` taking what it wants is no failure."""


class Dropped:
    """A text stream that drops what it fails to write, and tries the next write again.

    Args:
        stream: What is written to.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop."""
        # ValueError: closed meanwhile, or a character that it cannot hold
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or drop."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal; one that is gone is none."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def settle() -> None:
    """Make the streams of this process what the engine assumes; call this before anything is opened."""
    # a result must not vanish: writing to 1 fails
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _take_number(number, mode)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, Dropped):
        sys.stderr = Dropped(sys.stderr)
    for name in ("COLUMNS", "LINES"):  # rich would write nothing at 0, and pads to any width they give
        size = os.environ.get(name, "80")
        if not (size.isascii() and size.isdigit() and len(size) < 5 and int(size) >= 10):
            del os.environ[name]


def _take_number(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        try:
            opened = os.open(os.devnull, mode)
        except OSError:  # no /dev here
            opened, writer = os.pipe()
            os.close(writer)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def holds_unicode() -> bool:
    """Whether standard output can hold every character."""
    return (
        str(getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
        == "utf8"
    )


@contextlib.contextmanager
def results() -> Iterator[None]:
    """For whatever writes a result to standard output.

    Raises:
        StorageError: `SHELL.RESULT_NOT_WRITTEN`.
        ReaderLeft: Nobody reads any more; what else is written goes nowhere.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        give_up_results()
        raise ReaderLeft from error
    except OSError as error:
        from sim.ground.errors import StorageError

        give_up_results()
        why = f"{errno.errorcode.get(error.errno or 0, 'OSError')}: {error.strerror or error}"
        raise StorageError(
            RESULT_NOT_WRITTEN, f"the result could not be written to standard output ({why})"
        ) from error


def give_up_results() -> None:
    """Drop what is still buffered for standard output: it would fail again at the interpreter's end."""
    with contextlib.suppress(OSError, ValueError):
        number = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()

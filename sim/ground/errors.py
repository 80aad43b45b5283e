"""Every way a run can refuse, with one shape: what, where, found, expected, what to do.

A `SimError` is for people: it is printed as a short block, never as a traceback, and its class decides the
exit code. Bugs stay ordinary exceptions. Nothing in this module formats for a terminal; `sim.cli` does that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from sim.ground.plain_text import one_line

EXAMPLE_LIMIT = 5


@dataclass(eq=False)
class SimError(Exception):
    """A refusal with a code `SEG.STATE.NAME` or `SHELL.NAME`.

    Attributes:
        code: Stable identifier users can search for, e.g. `5B.S3.COUNTS_NOT_CONSERVED`.
        what: One sentence saying what cannot be done.
        found: What was there.
        expected: What should have been there.
        where: `file:line` or a path inside the run.
        do: What to do next.
        examples: Offending items; at most `EXAMPLE_LIMIT` are printed, with the total.
        total: How many items offend, when more than `examples` holds.
        all_examples: Whether `--json` lists all of `examples`, for programs that correct them.
    """

    code: str
    what: str
    found: str = ""
    expected: str = ""
    where: str = ""
    do: str = ""
    examples: Sequence[str] = field(default_factory=tuple)
    total: int | None = None
    all_examples: bool = False

    exit_code = 1

    def __post_init__(self) -> None:
        Exception.__init__(self, f"{self.code}: {self.what}")

    def __str__(self) -> str:
        """The whole error, because a notebook or a log shows nothing else of an exception."""
        return self.render()

    def __reduce__(self) -> tuple[type[SimError], tuple[object, ...]]:
        """Pickle by fields, so that users see an error of another process unchanged."""
        return type(self), tuple(getattr(self, part.name) for part in fields(self))

    def rows(self) -> list[tuple[str, str]]:
        """Label and text of each non-empty part, in the order they are printed."""
        rows = [
            (label, text)
            for label, text in (("where", self.where), ("found", self.found), ("expected", self.expected))
            if text
        ]
        total = self.total if self.total is not None else len(self.examples)
        for number, example in enumerate(self.examples[:EXAMPLE_LIMIT], start=1):
            rows.append((f"{number} of {total}", example))
        if self.do:
            rows.append(("do", self.do))
        return rows

    def render(self) -> str:
        """The whole error as plain text, one part a line."""
        lines = [f"{self.code}  {self.what}"]
        lines += [f"  {label:<9} {text}" for label, text in self.rows()]
        # text of a file must not drive a terminal or look like a part of our message
        return "\n".join(map(one_line, lines))

    def as_json(self) -> dict[str, object]:
        """The error as a JSON-ready mapping (for `--json`)."""
        return {
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "found": self.found,
            "expected": self.expected,
            "do": self.do,
            "examples": list(self.examples if self.all_examples else self.examples[:EXAMPLE_LIMIT]),
            "total": self.total if self.total is not None else len(self.examples),
            "exit_code": self.exit_code,
        }


class UsageError(SimError):
    """The command line names something that does not exist, or combines options that exclude each other."""

    exit_code = 2


class ContractError(SimError):
    """A contract, config, or user input file does not say what it must say."""

    exit_code = 3


class ValidationError(SimError):
    """Computed data break a contract check or a model check; nothing was published."""

    exit_code = 4


class GateError(SimError):
    """A sealed input or a published file is not what its flag or seal says."""

    exit_code = 5


class LockedError(SimError):
    """Another process owns the run directory, or other content already sits where this run would publish."""

    exit_code = 6


class StorageError(SimError):
    """Reading or writing files failed."""

    exit_code = 7


class WorkerError(SimError):
    """A worker died or a partition could not be computed."""

    exit_code = 8


class BackendError(SimError):
    """The requested backend cannot run here."""

    exit_code = 9


def path_text(path: Path) -> str:
    """A path as text for libraries that take no bytes.

    Raises:
        StorageError: `SHELL.PATH_NOT_TEXT` if it is not Unicode.
    """
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        found = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        do = (
            "give its directory a name of Unicode text, or make a link of such a name to the directory "
            "above it"
        )
        raise StorageError(
            "SHELL.PATH_NOT_TEXT", "rows cannot be read under a path that is not UTF-8", found=found, do=do
        ) from None
    return text


def files_left(path: Path) -> int | None:
    """How many more files (inodes) the file system of an existing path takes from this user.

    None where it keeps no count.
    """
    status = os.statvfs(path)
    return status.f_favail if status.f_files else None


@contextlib.contextmanager
def storage_errors(path: Path, doing: str, needed: int = 0) -> Iterator[None]:
    """Turn OSError into a StorageError that names the path; a full disk also says bytes needed and free."""
    try:
        yield
    except OSError as error:
        found = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror or error}"
        do = "check permissions and the file system, then run again: finished partitions are kept"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            do = "free some space, then run again: finished partitions are kept"
            with contextlib.suppress(OSError):
                place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
                free = shutil.disk_usage(place).free
                found += f" ({f'{needed:,} bytes needed, ' if needed else ''}{free:,} bytes free)"
                if error.errno == errno.ENOSPC and files_left(place) == 0:
                    found += ": no file (inode) is left, whatever the bytes"
                    do = (
                        "remove files - bytes are not what is missing -, then run again: finished "
                        "partitions are kept"
                    )
        raise StorageError(
            "SHELL.IO_WRITE_FAILED", f"{doing} failed", found=found, where=str(path), do=do
        ) from error

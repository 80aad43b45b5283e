"""Files given by a user, each read once: what is parsed and what is hashed are the same bytes.

A file that is parsed and then opened again to be hashed may have been another in between, and two worlds would share one name.
So a `FileBytes` is handed around instead of a path, and nothing below the command line opens an input twice.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sim.plain_file import NotPlain, read_plain
from sim.shell.errors import ContractError, StorageError
from sim.shell.identity import sha256_bytes

MAX_ENTRIES = 4096
"""How many entries a directory of contracts or configuration may hold, those below it included."""
_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)


@dataclass(frozen=True)
class FileBytes:
    """A file as it was when it was read.

    Attributes:
        path: Where it lay.
        data: All its bytes.
    """

    path: Path
    data: bytes

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes that were read, 64 hex digits."""
        return sha256_bytes(self.data)


def read_once(path: Path, limit: int, code: str = "SHELL.FILE_UNREADABLE", what: str = "a file cannot be used", do: str = "") -> FileBytes:
    """Read a plain file of at most `limit` bytes; symbolic links to plain files are followed.

    Nothing is ever waited for: pipes, devices and directories are refused by name.

    Args:
        path: The file.
        limit: Most bytes.
        code: Of the refusal.
        what: What cannot be done.
        do: What to do about it.

    Raises:
        ContractError: `code`, naming the file, what was found there and what was expected.
        StorageError: `SHELL.IO_READ_FAILED` if this machine cannot read files now.
    """
    try:
        return FileBytes(path, read_plain(path, limit))
    except NotPlain as error:
        if error.errno in _MACHINE:  # says something about this machine, nothing about the file
            raise StorageError("SHELL.IO_READ_FAILED", "a file could not be read", error.found, "", str(path), "run again") from error
        raise ContractError(code, what, error.found, error.expected, str(path), do) from error


def list_files(root: Path, code: str = "SHELL.FILE_UNREADABLE", what: str = "a directory cannot be used") -> list[Path]:
    """Every entry below `root` that is no directory, sorted; directories behind links are not entered.

    Raises:
        ContractError: `code` if a directory cannot be listed, or if there are more than `MAX_ENTRIES` entries.
    """
    found: list[Path] = []
    todo, seen = [root], 0
    while todo:
        here = todo.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_ENTRIES:
                        found_here, expected = f"more than {MAX_ENTRIES:,} entries", f"at most {MAX_ENTRIES:,} files and directories"
                        raise ContractError(code, what, found_here, expected, str(root), "is it the directory you meant?")
                    (todo if entry.is_dir(follow_symlinks=False) else found).append(here / entry.name)
        except OSError as error:
            raise ContractError(code, what, error.strerror or str(error), "a directory that can be listed", str(here)) from error
    return sorted(found)

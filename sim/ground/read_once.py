"""Files given by a user, each read once: what is parsed and what is hashed are the same bytes.

A file that is parsed and then opened again for hashing may have changed in between, and two worlds would
share one name. So functions pass a `FileBytes` instead of a path, and no input is opened twice.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sim.ground.errors import ContractError, StorageError
from sim.ground.identity import sha256_bytes
from sim.ground.plain_file import NotPlain, read_plain

MAX_ENTRIES = 4096
"""How many entries a directory of contracts or configuration may hold, those below it included."""
MAX_FOLDER_BYTES = 1 << 24
"""How many bytes the files read from such a directory may have together.

The packaged ones have half a megabyte.
"""
_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)


MAX_BYTES = 1_000_000
"""Most bytes of a file of contracts or configuration."""


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


def read_once(
    path: Path,
    limit: int,
    code: str = "SHELL.FILE_UNREADABLE",
    what: str = "a file cannot be used",
    do: str = "",
) -> FileBytes:
    """Read a plain file of at most `limit` bytes; symbolic links to plain files are followed.

    It never blocks: pipes, devices and directories are refused by name.

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
            raise StorageError(
                "SHELL.IO_READ_FAILED", "a file could not be read", error.found, "", str(path), "run again"
            ) from error
        raise ContractError(code, what, error.found, error.expected, str(path), do) from error


class Folder:
    """A directory of small text files given by a user, listed once; each file is read at most once.

    Number of entries and bytes are bounded.

    Args:
        root: The directory.
        code: Of the refusal.
        what: What cannot be done when it is refused.

    Attributes:
        root: The directory.
        code: Of the refusal of the directory as a whole.
    """

    def __init__(
        self, root: Path, code: str = "SHELL.FOLDER_UNREADABLE", what: str = "a directory cannot be used"
    ) -> None:
        self.root = root
        self.code, self._what = code, what
        self._read: dict[str, FileBytes] = {}
        self._bytes = 0

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every entry below the directory but plain directories, relative to it and sorted.

        Links are not followed.

        A directory whose name has a suffix is listed too: it lies where a file should. Hidden directories (a
        version control's) are not entered.

        Raises:
            ContractError: If a directory cannot be listed, or if there are more than `MAX_ENTRIES` entries.
        """
        found: list[str] = []
        todo, seen = [self.root], 0
        while todo:
            here = todo.pop()
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        seen += 1
                        if seen > MAX_ENTRIES:
                            raise self._refused(
                                f"more than {MAX_ENTRIES:,} entries",
                                f"at most {MAX_ENTRIES:,} files and directories",
                            )
                        folder, path = entry.is_dir(follow_symlinks=False), here / entry.name
                        todo += [path] if folder and not entry.name.startswith(".") else []
                        found += [path.relative_to(self.root).as_posix()] if not folder or path.suffix else []
            except OSError as error:
                raise self._refused(
                    error.strerror or str(error), "a directory that can be listed", here
                ) from error
        return tuple(sorted(found))

    def below(self, start: str, suffix: str = "") -> tuple[str, ...]:
        """Those of `names` that begin with `start` and end with `suffix`."""
        return tuple(name for name in self.names if name.startswith(start) and name.endswith(suffix))

    def read(self, name: str, limit: int) -> FileBytes:
        """A file below the directory: from the file system the first time, and as it was then ever after.

        Raises:
            ContractError: As `read_once`; or this directory's refusal if all files read make more than
                `MAX_FOLDER_BYTES`.
        """
        if name not in self._read:
            file = read_once(self.root / name, limit)
            self._bytes += len(file.data)
            if self._bytes > MAX_FOLDER_BYTES:
                raise self._refused(
                    f"more than {MAX_FOLDER_BYTES:,} bytes in its files",
                    f"at most {MAX_FOLDER_BYTES:,} bytes together",
                )
            self._read[name] = file
        return self._read[name]

    def _refused(self, found: str, expected: str, where: Path | None = None) -> ContractError:
        return ContractError(
            self.code, self._what, found, expected, str(where or self.root), "is it the directory you meant?"
        )

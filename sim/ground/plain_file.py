"""Read a plain file once: open it once, inspect the descriptor, bound its size, never block on it.

Callers parse and hash the bytes of one `read_plain`, because a file opened again may be another file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a symbolic link"),
)

MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES, errno.EROFS, errno.ENOSPC)
"""Errors that say something about this machine, nothing about a file."""

Read = TypeVar("Read")


class NotPlain(OSError):
    """The path does not name a plain file of at most the size that a reader takes.

    Attributes:
        found: What is there instead, in words.
        expected: What could be read.
    """

    def __init__(self, number: int, found: str, expected: str, path: Path) -> None:
        super().__init__(number, found, str(path))
        self.found, self.expected = found, expected


def open_plain(path: Path, limit: int, *, follow: bool = True) -> int:
    """A descriptor on a plain file of at most `limit` bytes; the caller closes it.

    Args:
        path: The file.
        limit: Most bytes.
        follow: Whether the last name may be a symbolic link.

    Raises:
        NotPlain: If something else is there, nothing is, or it cannot be opened; its `errno` is the system's,
            or EINVAL.
    """
    expected = f"a plain file of at most {limit:,} bytes"
    try:
        # Looked at before it is opened, since opening some devices does something; and afterwards, since this
        # may be another by then.
        _require(path.stat(follow_symlinks=follow), limit, expected, path)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except NotPlain:
        raise
    except FileNotFoundError as error:
        link = ": a symbolic link that leads nowhere" if path.is_symlink() else ""
        raise NotPlain(error.errno or errno.ENOENT, f"no such file{link}", expected, path) from error
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        number = getattr(error, "errno", None) or errno.EINVAL
        raise NotPlain(
            number, f"it cannot be opened: {getattr(error, 'strerror', None) or error}", expected, path
        ) from error
    try:
        _require(os.fstat(descriptor), limit, expected, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_plain(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """All bytes of a plain file.

    Raises:
        NotPlain: As `open_plain`; if it grew beyond `limit` meanwhile; if reading fails.
    """
    descriptor = open_plain(path, limit, follow=follow)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            data = stream.read(min(limit, os.fstat(descriptor).st_size) + 1)
            while len(data) <= limit and (more := stream.read(min(1 << 20, limit + 1 - len(data)))):
                data += more  # it grew, or it is one of those whose size the system does not tell
        except OSError as error:
            number = error.errno or errno.EIO
            raise NotPlain(
                number, f"it cannot be read: {error.strerror or error}", "a readable file", path
            ) from error
    if len(data) > limit:
        raise NotPlain(
            errno.EINVAL, f"more than {limit:,} bytes", f"a plain file of at most {limit:,} bytes", path
        )
    return data


def unless_absent(read: Callable[[], Read]) -> Read | None:
    """What `read` gives; None where no plain file is.

    What this machine cannot do now is raised: it says nothing about the file.
    """
    try:
        return read()
    except NotPlain as error:
        if error.errno in MACHINE:
            raise
        return None


def identity(path: Path) -> tuple[int, ...]:
    """Device, inode, size and times of change of a file: equal only if file and bytes are the same.

    Only the kernel sets the time of status change, so no program can restore an earlier one.

    Raises:
        OSError: If nothing is there.
    """
    status = path.stat(follow_symlinks=False)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _require(status: os.stat_result, limit: int, expected: str, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), stat.filemode(status.st_mode))
        raise NotPlain(errno.EINVAL, kind, expected, path)
    if status.st_size > limit:
        raise NotPlain(errno.EINVAL, f"{status.st_size:,} bytes", expected, path)

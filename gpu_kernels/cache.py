"""Compiled kernels on disk: in a private directory, under a name that digests everything they depend on."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

_building: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class NotPrivate(RuntimeError):
    """A directory of compiled code that another user could write to."""


def private_folder(folder: Path) -> Path:
    """Make the directory if need be and insist that it is ours alone: what lies in it is executed.

    Raises:
        NotPrivate: It belongs to someone else, or group or others may write to it, or it is a link.
    """
    for missing in [path for path in reversed((folder, *folder.parents)) if not path.is_dir()]:
        # one by one: the parents of one call are made under any umask
        missing.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise NotPrivate(
            f"{folder}: compiled kernels are run from here, so it must be a directory of ours that nobody "
            "else writes to (chmod 700)"
        )
    return folder


def compiled(folder: Path, name: str, build: Callable[[Path], None]) -> Path:
    """The file of that name, built if it is not there.

    Threads of this process build a file once; processes may build it twice, and each puts a whole file in
    place by one rename.

    Args:
        folder: The cache, see `private_folder`.
        name: File name; must contain a digest of everything the content depends on.
        build: Writes the file to the path it is given.
    """
    target = private_folder(folder) / name
    with _building[str(target)]:
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as scratch:
                made = Path(scratch) / name
                build(made)
                # Whole on disk before it has its name: after a crash a cache must not hold half a file for
                # good.
                with made.open("rb") as file:
                    os.fsync(file.fileno())
                made.replace(target)
    return target

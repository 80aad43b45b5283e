"""Removing a run: observers see all of it or none, and only the run's files go, none through a link.

The removal renames the run aside while it holds the run's lock, then deletes the receipt, then everything
else. If it is killed anywhere in between, what is left has a name that no command takes for a run. The next
removal in that folder clears it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.ground.errors import LockedError, StorageError, UsageError
from sim.shell.publish.documents import RECEIPT_NAME
from sim.shell.publish.lock import RunLock
from sim.shell.publish.publish import rename_new
from sim.shell.runs.status import probe_lock

_KINDS = {"data": (".parquet",), "gates": (".json", ".flag"), "reports": (".parquet",), "staging": ("",)}
_FILES = (RECEIPT_NAME, ".lock")
_ASIDE = re.compile(r"\.removed-[0-9a-f]{32}")


@dataclass(frozen=True)
class Removable:
    """A run directory of which everything was looked at.

    Attributes:
        path: The directory, absolute, no part of its own name a link.
        files: Number of files, the lock aside.
        bytes: Their sizes.
    """

    path: Path
    files: int
    bytes: int


def look(run_dir: Path) -> Removable:
    """Look at everything in a run directory.

    Raises:
        UsageError: `SHELL.NOT_A_RUN`: there is no receipt in it, or it is a link.
        LockedError: `SHELL.RUN_HOLDS_OTHER_THINGS`: something in it is not a run's.
        StorageError: It cannot be read.
    """
    path = run_dir.absolute()
    with _system(path, "looking at the run"):
        mode = path.lstat().st_mode
        receipt = path / RECEIPT_NAME
        if not stat.S_ISDIR(mode) or not receipt.is_file() or receipt.is_symlink():
            found = (
                "a symbolic link"
                if stat.S_ISLNK(mode)
                else f"no {RECEIPT_NAME} in it"
                if stat.S_ISDIR(mode)
                else "no directory"
            )
            what = "this is no run directory, so it is not removed"
            raise UsageError(
                "SHELL.NOT_A_RUN",
                what,
                found,
                f"a directory that holds {RECEIPT_NAME}",
                str(path),
                "closedworld status lists runs",
            )
        files = size = 0
        others: list[str] = []
        for entry, depth in _walk(path, 0):
            kind = entry.lstat()
            top = entry.relative_to(path).parts[0]
            folder = stat.S_ISDIR(kind.st_mode)
            ours = (
                (folder and top in _KINDS)
                or (stat.S_ISREG(kind.st_mode) and depth == 0 and top in _FILES)
                or (stat.S_ISREG(kind.st_mode) and depth > 0 and entry.name.endswith(_KINDS[top]))
            )
            if not ours:
                others.append(str(entry))
            # removal takes it, which makes it and writes a name into it
            lock = depth == 0 and entry.name == ".lock"
            if not folder and not lock:
                files, size = files + 1, size + kind.st_size
    if others:
        raise LockedError(
            "SHELL.RUN_HOLDS_OTHER_THINGS",
            f"{len(others)} thing(s) in this directory are not a run's, so nothing is removed",
            expected="data, gates, reports, staging and the receipt; no links",
            where=str(path),
            examples=others,
            total=len(others),
            do="move them elsewhere, then run the same command again",
        )
    return Removable(path, files, size)


def remove_run(run: Removable) -> None:
    """Remove a run that was looked at, and what killed removals left in its folder.

    Raises:
        LockedError: Somebody works on it, or it changed since it was looked at.
        StorageError: The system refused; what is left is no run.
    """
    folder = run.path.parent
    aside = folder / f".removed-{uuid.uuid4().hex}"
    with RunLock(run.path):
        if look(run.path) != run:
            do = "run the same command again"
            raise LockedError(
                "SHELL.RUN_CHANGED",
                "the run changed while it was being removed; nothing was",
                where=str(run.path),
                do=do,
            )
        if not rename_new(run.path, aside):
            raise FileExistsError(aside)  # a name drawn from 2**122
        _clear(aside)
    with _system(folder, "clearing what a removal before left"):
        for left in sorted(folder.iterdir()):
            if _ASIDE.fullmatch(left.name) and stat.S_ISDIR(left.lstat().st_mode) and not probe_lock(left)[0]:
                _clear(left)


def _clear(aside: Path) -> None:
    """Remove a directory that lies aside: its receipt first, its lock last."""
    with _system(aside, "removing the run's files"):
        (aside / RECEIPT_NAME).unlink(missing_ok=True)
        for entry in [entry for entry in aside.iterdir() if entry.name != ".lock"]:
            shutil.rmtree(entry)  # by file descriptors: a link put in its way is not followed
        (aside / ".lock").unlink(missing_ok=True)
        aside.rmdir()


@contextlib.contextmanager
def _system(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror or error}"
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(path)
        do = "see to the permissions, then run the same command again"
        raise StorageError(
            "SHELL.IO_REMOVE_FAILED", f"{doing} failed", found=found, where=where, do=do
        ) from error


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, int]]:
    """Every entry below a folder with its depth.

    Links are not followed, folders that are not a run's not entered.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        yield path, depth
        if entry.is_dir(follow_symlinks=False) and (depth > 0 or entry.name in _KINDS):
            yield from _walk(path, depth + 1)

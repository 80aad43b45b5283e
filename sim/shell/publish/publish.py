"""Publishing: the only module that puts files where readers look.

Protocol (checked by the shell tests): write with O_EXCL -> fsync file -> fsync directories bottom up -> read
back and re-hash -> `renameat2(RENAME_NOREPLACE)` -> fsync parent. A published name is never written again.
After a failed fsync nothing is retried: the staging directory is given up.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sim.executors.side_by_side import side_by_side
from sim.ground.errors import GateError, LockedError, StorageError, storage_errors
from sim.ground.identity import sha256_bytes, sha256_file
from sim.ground.plain_file import MACHINE, NotPlain, read_plain
from sim.shell.publish.documents import DOCUMENT_BYTES

_AT_FDCWD, _RENAME_NOREPLACE, _SYNC_FILE_RANGE_WRITE = -100, 1, 2
FOLDER_MODE = 0o775  # whatever the umask: not everybody's to write to
_libc = ctypes.CDLL(None, use_errno=True)


def fsync_directory(path: Path) -> None:
    """Make the entries of a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents, each made durable in its parent.

    The deepest one that exists is made durable as well: a process killed between `mkdir` and `fsync` leaves a
    directory that its successor finds and a power cut still takes away.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    # a parent that may not be read holds nothing this user's runs created
    if os.access(path.parent, os.R_OK):
        fsync_directory(path.parent)
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=FOLDER_MODE)
        fsync_directory(directory.parent)


def write_new(path: Path, data: bytes | memoryview, meanwhile: Callable[[], Any] = lambda: None) -> Any:
    """Create a read-only file, write all of `data`, do `meanwhile` (returned) as the disk works, fsync it.

    Refuses an existing name.
    """
    with storage_errors(path, "writing a file", len(data)):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
        try:
            view = memoryview(data).cast("B")
            while view:
                view = view[os.write(fd, view) :]
            if hasattr(_libc, "sync_file_range"):  # begins, promises nothing: the promise is the fsync's
                _libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)
            result = meanwhile()
            os.fsync(fd)
        finally:
            os.close(fd)
    return result


def rename_new(source: Path, target: Path) -> bool:
    """Rename without replacing; both parents are then made durable.

    Returns:
        False if `target` already exists (nothing is touched), True once the rename is durable.
    """
    with storage_errors(target, "publishing"):
        rename = getattr(_libc, "renameat2", None)
        code = errno.ENOSYS
        if rename is not None:
            done = rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
            code = 0 if done == 0 else ctypes.get_errno()
        if code == errno.EEXIST:
            return False
        if code in (errno.ENOSYS, errno.EINVAL):  # old NFS: the run lock already excludes other writers
            if os.path.lexists(target):
                return False
            source.rename(target)
        elif code:
            raise OSError(code, os.strerror(code), str(target))
        _settle(target, source)
    return True


def publish_document(staging: Path, target: Path, data: bytes, expected_conflict: str) -> bool:
    """Publish one small file: stage, fsync, read back, rename.

    Args:
        staging: Existing directory on the same file system.
        target: Final path; its parents are created.
        data: Content.
        expected_conflict: What the refusal says if other content is already there.

    Returns:
        False if identical content was already published, True if it was published now.

    Raises:
        LockedError: `SHELL.OUTPUT_CONFLICT` if other content is there.
        StorageError: On any I/O failure.
    """
    staged = staging / f"{target.name}.{os.getpid()}"
    if os.path.lexists(target):
        _same_or_conflict(target, staged, sha256_bytes(data), expected_conflict)
        return False
    with storage_errors(target, "publishing"):
        make_directories(target.parent)
        staged.unlink(missing_ok=True)
    write_new(staged, data)
    _read_back(staged, sha256_bytes(data))
    if not rename_new(staged, target):
        _same_or_conflict(target, staged, sha256_bytes(data), expected_conflict)
        return False
    return True


def publish_directory(staged: Path, target: Path, files: Mapping[str, str]) -> bool:
    """Publish one dataset directory with one rename.

    Args:
        staged: Directory holding exactly `files`, all fsynced.
        target: Final directory; parents are created.
        files: File name -> SHA-256 noted when it was written.

    Returns:
        False if identical content was already there, True if it was published now.

    Raises:
        LockedError: `SHELL.OUTPUT_CONFLICT` if other content is there.
        StorageError: If a file read back differs from what was written, or on any I/O failure.
    """
    if os.path.lexists(target):
        for problem in compare_directory(target, files):
            raise _conflict(target, problem)
        with storage_errors(target, "publishing"):
            _settle(target, staged)
        return False
    present = {entry.name for entry in os.scandir(staged)}
    if present != set(files):
        raise StorageError(
            "SHELL.STAGING_DAMAGED",
            "the staging directory does not hold what was written to it",
            found=f"{len(present)} entries, {sorted(present ^ set(files))[:3]} differ",
            expected=f"{len(files)} files",
            where=str(staged),
            do="run again; do not touch staging/ while a run is going on",
        )
    side_by_side(lambda name: _read_back(staged / name, files[name]), list(files))
    with storage_errors(target, "publishing"):
        fsync_directory(staged)
        make_directories(target.parent)
    if not rename_new(staged, target):
        raise _conflict(target, "it appeared while this run was publishing")
    return True


def settle_published(target: Path, staging: Path) -> None:
    """Sync what an earlier process published as `target` out of `staging`, as it may have died before.

    Every caller that finds a published name calls this before it reports the name as done.
    """
    with storage_errors(target, "publishing"):
        source = staging if staging.is_dir() else target.parent
        _settle(target, source / target.name)


def compare_directory(path: Path, files: Mapping[str, str], hashes: bool = True) -> list[str]:
    """Every difference between a published directory and its list of files; empty when there is none."""
    if path.is_symlink() or not path.is_dir():
        return [f"{path}: missing directory"]
    present = {entry.name: entry for entry in os.scandir(path)}
    problems = [f"{path / name}: not in the published list" for name in sorted(set(present) - set(files))]

    def compared(name: str) -> str:
        entry = present.get(name)
        if entry is None:
            return f"{path / name}: missing"
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            return f"{path / name}: not a regular file"
        found = sha256_file(path / name) if hashes else files[name]
        return "" if found == files[name] else f"{path / name}: SHA-256 {found}, published as {files[name]}"

    problems += side_by_side(compared, list(files)) if hashes else map(compared, files)
    return [problem for problem in problems if problem]


def read_published(path: Path, limit: int = DOCUMENT_BYTES) -> bytes:
    """Bytes of a small published file that must be a regular file.

    Raises:
        GateError: If it is missing, not a regular file, or larger than `limit`.
        StorageError: If this machine cannot open files now.
    """
    try:
        return read_plain(path, limit, follow=False)
    except NotPlain as error:
        if error.errno in MACHINE:
            with storage_errors(path, "reading"):
                raise
        gone = error.errno == errno.ENOENT
        raise GateError(
            "SHELL.PUBLISHED_FILE_MISSING" if gone else "SHELL.PUBLISHED_FILE_INVALID",
            "a published file cannot be opened"
            if gone
            else "a published file is not a plain file of sane size",
            found=os.strerror(errno.ENOENT) if gone else error.found,
            where=str(path),
            do="run again to rebuild it, or restore the run directory from a copy"
            if gone
            else "restore the run directory from a copy",
        ) from error


def _read_back(path: Path, digest: str) -> None:
    with storage_errors(path, "reading back"):
        found = sha256_file(path)
    if found != digest:
        raise StorageError(
            "SHELL.READ_BACK_MISMATCH",
            "a file just written reads back differently",
            found=found,
            expected=digest,
            where=str(path),
            do="suspect the disk or its driver; nothing was published",
        )


def _settle(target: Path, source: Path) -> None:
    """Sync a rename, an earlier attempt's too: first the new name, then the removal of the old one."""
    fsync_directory(target.parent)
    fsync_directory(source.parent)


def _same_or_conflict(target: Path, staged: Path, digest: str, explain: str) -> None:
    found = sha256_bytes(read_published(target))
    if found != digest:
        raise _conflict(target, f"SHA-256 {found}, this run made {digest}. {explain}")
    with storage_errors(target, "publishing"):
        _settle(target, staged)


def _conflict(target: Path, found: str) -> LockedError:
    return LockedError(
        "SHELL.OUTPUT_CONFLICT",
        "other content is already published under this name",
        found=found,
        expected="the content this run computed (same fingerprint, same bytes)",
        where=str(target),
        do="published files are never replaced: keep this run directory for inspection and use another --out",
    )

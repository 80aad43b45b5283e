"""One writer a run directory: an flock that the kernel frees with its holder, so no lock is ever stale."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType

from sim.ground.errors import LockedError, storage_errors


class RunLock:
    """Context manager holding the exclusive lock of a run directory.

    Raises:
        LockedError: On entry, naming the holder, if another process has it.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / ".lock"
        self._fd = -1

    def __enter__(self) -> RunLock:
        with storage_errors(self._path, "opening the run lock"):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 4096, 0).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise LockedError(
                "SHELL.RUN_LOCKED",
                "another process is working on this run",
                found=holder or "a holder that has not written its name yet",
                where=str(self._path.parent),
                do="wait for it, or stop that process: the lock goes with it, there is nothing to delete",
            ) from None
        if not self._still_there():
            os.close(self._fd)
            raise LockedError(
                "SHELL.RUN_REMOVED",
                "the run directory was removed or replaced while its lock was taken",
                where=str(self._path.parent),
                do="run the same command again",
            )
        name = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "uid": os.getuid()})
        try:
            with storage_errors(self._path, "writing the name of the lock's holder"):
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, name.encode(), 0)
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def _still_there(self) -> bool:
        """Whether the locked file is still in the directory, as a removal may come between open and lock."""
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.lstat())
        except FileNotFoundError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

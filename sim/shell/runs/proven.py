"""Which files were proven to be the published ones, and that they still are those files.

A proof is of bytes, and reads them all. The proof is remembered with the file's device, inode, size, and the
times of the last change of content and of inode. If one of these has changed, the file is read again; other
bytes under a proven name are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from sim.executors.side_by_side import side_by_side
from sim.ground.errors import GateError
from sim.ground.plain_file import identity
from sim.shell.publish.gate import require_file

_TRIES = 5
"""Most readings of one file: a copy that shares files (`cp -al`) touches their inodes while they are read."""


class ProvenFiles:
    """Files whose SHA-256 was checked. Safe to use from several threads."""

    def __init__(self) -> None:
        self._proven: dict[Path, tuple[str, tuple[int, ...]]] = {}
        self._lock = threading.Lock()

    def require(self, files: Iterable[tuple[Path, str]]) -> None:
        """Require the published bytes of every file, several at a time.

        A file is read once, and again if it has become another file since.

        Args:
            files: Path and published SHA-256.

        Raises:
            GateError: If one is not.
        """
        listed = list(files)
        with self._lock:
            known = {path: self._proven.get(path) for path, _ in listed}
        side_by_side(
            lambda entry: self._prove(*entry),
            [(path, digest) for path, digest in listed if known[path] != (digest, _now(path))],
        )

    def _prove(self, path: Path, digest: str) -> None:
        for _ in range(_TRIES):
            before = _now(path)
            require_file(path, digest)
            if before and before == _now(path):
                with self._lock:
                    self._proven[path] = (digest, before)
                return
        raise GateError(
            "SHELL.SEALED_INPUTS_DIGEST_MISMATCH",
            "a file is replaced again and again while it is read",
            found="another file of this name than a moment ago",
            expected=f"SHA-256 {digest}",
            where=str(path),
            do="see who writes into the run directory; restore the file from a copy",
        )


def _now(path: Path) -> tuple[int, ...]:
    try:
        return identity(path)
    except OSError:
        return ()  # reading the file says what is wrong with it

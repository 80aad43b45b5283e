"""Private directories for what can be made again: compiled kernels, and proofs of files that were found good.

numba notices a changed kernel file but neither a changed device file that it calls nor another error code of
its contract. So the directory of compiled kernels is named after a digest of all of them. numba trusts what
it loads from there, so the directory must be ours alone (0700); otherwise nothing is kept.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sim.ground.paths import user_cache

_ROOT = Path(__file__).resolve().parents[2]


def kernel_sources_digest(codes: Mapping[str, Mapping[str, int]]) -> str:
    """SHA-256 (16 hex digits) of every file in `cpu_fallback` and of the contracts' error codes.

    Args:
        codes: Code of each error by its name, by kernel.
    """
    digest = hashlib.sha256(json.dumps(codes, sort_keys=True).encode())
    for path in sorted((_ROOT / "cpu_fallback").rglob("*.py")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(_ROOT)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def private_cache_dir(name: str) -> Path:
    """A cache directory of that name, created if missing; a temporary one if no private place exists."""
    mine = user_cache()
    for parent in (_ROOT / ".numba_cache", *([mine / "closedworld"] if mine else [])):
        folder = parent / name
        with contextlib.suppress(OSError):
            for missing in [path for path in (*reversed(folder.parents), folder) if not path.is_dir()]:
                # one by one: the parents of one call are made under any umask
                missing.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            private = (
                status.st_uid == os.getuid() and not status.st_mode & 0o022 and stat.S_ISDIR(status.st_mode)
            )
            if private and os.access(folder, os.W_OK):
                return folder
    folder = _throw_away() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _throw_away() -> Path:
    """One directory for as long as this process lives, removed at its end."""
    folder, owner = Path(tempfile.mkdtemp(prefix="closedworld-cache-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked child ends too, and its parent goes on
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder

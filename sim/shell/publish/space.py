"""Space on a file system: bytes, and files, of which some file systems hold a fixed number (inodes)."""

from __future__ import annotations

import os
from pathlib import Path

from sim.ground.errors import StorageError, files_left


def existing_folder(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def require_files(existing: Path, least: int) -> None:
    """Refuse a run before it starts where fewer files than its datasets can be made.

    Args:
        existing: A directory on the file system.
        least: How many files and directories the run makes at least.

    Raises:
        StorageError: `SHELL.DISK_TOO_SMALL`.
    """
    left = files_left(existing)
    if left is not None and left < least:
        raise StorageError(
            "SHELL.DISK_TOO_SMALL",
            "there are not enough free files (inodes) for this world; nothing was started",
            found=(
                f"{left:,} files (inodes) free, "
                f"{os.statvfs(existing).f_bavail * os.statvfs(existing).f_frsize:,} bytes free"
            ),
            expected=f"at least {least:,} files (inodes)",
            where=str(existing),
            do="remove files, or choose another --out",
        )

"""Which run a user means: a directory, or the first characters of one's name.

Every command and `sim.world.open` resolve runs here.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from sim.ground.errors import StorageError, UsageError
from sim.shell.publish.documents import RECEIPT_NAME

RUNS = Path("runs")
_SHOWN = 5


def looks_like_a_run(path: Path) -> bool:
    """Whether a directory holds a receipt's name or gates, so that a reader can say what is wrong with it.

    Proves nothing.
    """
    return os.path.isdir(path) and (os.path.lexists(path / RECEIPT_NAME) or os.path.isdir(path / "gates"))  # noqa: PTH112 - no refusal, ever


def _named(name: str, prefix: str) -> bool:
    """Whether a run may have this name; names with a leading dot belong to what a removal moved aside."""
    return name.startswith(prefix) and not name.startswith(".")


def runs_in(folder: Path, prefix: str = "") -> list[Path]:
    """Run directories in a folder whose names begin so, sorted.

    Raises:
        StorageError: `SHELL.IO_READ_FAILED` if the folder cannot be listed.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - false, and no exception, for names no path can have
        return []
    try:
        return sorted(
            entry for entry in folder.iterdir() if _named(entry.name, prefix) and looks_like_a_run(entry)
        )
    except OSError as error:
        do = "see to its permissions, or name the run by its own directory"
        raise StorageError(
            "SHELL.IO_READ_FAILED",
            "a folder of runs cannot be listed",
            str(error.strerror),
            "",
            str(folder),
            do,
        ) from error


def find_run(run: str | Path, root: Path = RUNS) -> Path:
    """The run directory a user means.

    Args:
        run: A run directory; or a folder and the first characters of a run in it (`some/dir/67d`); or these
            characters alone, of a run under `root` or, where none begins so, in the current directory.
        root: Directory that holds run directories.

    Raises:
        UsageError: `SHELL.RUN_NOT_FOUND`: none or several fit.
        StorageError: As `runs_in`.
    """
    text = os.fspath(run)
    path = Path(text)
    if text and looks_like_a_run(path):
        return path
    prefix = path.name
    folders = [path.parent] if len(path.parts) > 1 else [root, Path()]
    found: list[Path] = []
    for folder in folders:
        found = found or (runs_in(folder, prefix) if prefix not in ("", "..") else [])
    if len(found) == 1:
        return found[0]
    there = [entry.name for entry in (found or runs_in(folders[0]))]
    listed = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
    where = folders[0]
    raise UsageError(
        "SHELL.RUN_NOT_FOUND",
        f"{text!r} fits {len(found)} runs" if found else f"there is no run called {text!r}",
        found=listed if found else f"other runs: {listed}" if there else "no run directory there",
        expected=(
            "a run directory or its URL, the first characters of a run id under ./runs, or a folder and "
            "these: some/folder/67d"
        ),
        where=str(where.absolute()),
        do=f"closedworld status --out {shlex.quote(str(where))} lists the runs there"
        if there
        else "closedworld run builds one",
    )

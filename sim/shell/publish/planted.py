"""A run writes only into its own directories; a link planted there would make it read or write elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sim.ground.errors import GateError, storage_errors

FOLDERS = ("data", "gates", "ledger", "reports", "staging")


def require_own_folders(run_dir: Path) -> None:
    """Refuse a run directory that is a symbolic link or holds one in place of a run's directory or file.

    Raises:
        GateError: `SHELL.RUN_FOLDER_LINKED`, naming the links.
    """
    with storage_errors(run_dir, "looking at the run directory"):
        links = list(_links(run_dir))
    if links:
        raise GateError(
            "SHELL.RUN_FOLDER_LINKED",
            "a run writes into plain directories of its own, and here is a symbolic link",
            found=f"{len(links)} link(s)",
            expected="plain files and directories",
            where=str(links[0]),
            examples=[f"{link} -> {link.readlink()}" for link in links[:5]],
            total=len(links),
            do="remove the link if it is yours, or choose another --out (which may itself be a link)",
        )


def _links(run_dir: Path) -> Iterator[Path]:
    if run_dir.is_symlink():
        yield run_dir
        return
    todo = [run_dir / name for name in FOLDERS]
    while todo:
        here = todo.pop()
        if here.is_symlink():
            yield here
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(here) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield here / entry.name
                elif entry.is_dir(follow_symlinks=False):
                    todo.append(here / entry.name)

"""Entries under data/ and gates/ of a run that nothing published."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import FLAG_NAME, INDEX_NAME


def strangers(run_dir: Path, bundles: Mapping[str, Bundle], unfinished: Sequence[str]) -> list[str]:
    """Everything under data/ and gates/ that no bundle lists.

    Directories of unfinished segments are not looked into.
    """
    files = {
        f"{item.path}/{part.name}"
        for bundle in bundles.values()
        for item in bundle.datasets
        for part in item.files
    }
    for code, bundle in bundles.items():
        files |= {f"gates/{code}/{name}" for name in (*bundle.document["documents"], INDEX_NAME, FLAG_NAME)}
    folders = {"data", "gates"} | {
        path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)
    }
    skipped = {f"gates/{code}" for code in unfinished}
    problems = []
    for top in ("data", "gates"):
        for path, mode in _walk(run_dir, top, folders, skipped, frozenset(unfinished)):
            if stat.S_ISLNK(mode):
                problems.append(f"{run_dir / path}: is a symbolic link, expected plain files and directories")
            elif stat.S_ISDIR(mode) and path not in folders:
                problems.append(f"{run_dir / path}: a directory that no bundle lists")
            elif not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                problems.append(
                    f"{run_dir / path}: is {stat.filemode(mode)}, expected plain files and directories"
                )
            elif stat.S_ISREG(mode) and path not in files:
                problems.append(f"{run_dir / path}: a file that no bundle lists")
    return problems


def _walk(
    run_dir: Path, top: str, folders: set[str], skipped: set[str], unfinished: frozenset[str]
) -> Iterator[tuple[str, int]]:
    """(relative path, mode) of every entry below `top`; follows no link, enters no unlisted directory."""
    try:
        yield top, (run_dir / top).lstat().st_mode
    except FileNotFoundError:
        return
    todo = [top]
    while todo:
        here = todo.pop()
        if not stat.S_ISDIR((run_dir / here).lstat().st_mode):
            continue
        with os.scandir(run_dir / here) as entries:
            found = sorted((entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries)
        for name, mode in found:
            path = f"{here}/{name}"
            depth = path.split("/")
            if path in skipped or (depth[0] == "data" and len(depth) == 3 and depth[2] in unfinished):
                continue
            if unfinished and depth[0] == "data" and len(depth) == 2 and stat.S_ISDIR(mode):
                todo.append(path)  # a layer that an unfinished segment may have made
                continue
            yield path, mode
            if stat.S_ISDIR(mode) and path in folders:
                todo.append(path)

"""What a run leaves on disk, which processes it has, and on what they listen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def files(run_dir: Path) -> dict[str, bytes]:
    """Every published file and everything left in staging, byte for byte."""
    found = [
        path
        for part in ("data", "gates", "staging")
        for path in sorted((run_dir / part).rglob("*"))
        if path.is_file()
    ]
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in found}


def family(pid: int) -> set[int]:
    """A process and its descendants, but for the one in which multiprocessing counts semaphores:
    it ends with its parent.
    """
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"multiprocessing.resource_tracker" in (entry / "cmdline").read_bytes():
                    continue
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> Iterator[str]:
    """Local addresses (hex, as the kernel writes them) of the TCP sockets these processes listen on."""
    inodes = set()
    for pid in pids:
        folder = Path(f"/proc/{pid}/fd")
        for entry in folder.iterdir() if folder.exists() else []:
            with contextlib.suppress(OSError):
                inodes.add(str(entry.readlink()))
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                yield fields[1]

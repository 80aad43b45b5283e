# ruff: noqa: PTH100, PTH115, PTH117, PTH118
"""The power-loss replayer: record what a real run asks of the file system,
then pull the plug at every point of it.

The recorder wraps the few `os` functions through which the shell writes (and `renameat2`), in the process
that runs. No tracer is needed, so this runs wherever the tests run; that nothing was missed is proven by
`Disk.tree`: the recorded calls must make, byte for byte, the directory that the run left. The model is
stricter than ext4, XFS and Btrfs:

- bytes written are lost, kept in part or replaced by zeros until the file is synced;
- a name created, removed or renamed is lost or kept, each independently of all others, until its directory is
  synced;
- a rename is atomic, but the old name may come back beside the new one until the old directory is synced too.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Op = tuple[Any, ...]
Tree = dict[str, bytes]
ROOT = 0


@dataclass
class Node:
    """A file (content, and how much of it is safe) or a directory (names now, names that are safe)."""

    folder: bool
    data: bytearray = field(default_factory=bytearray)
    safe: int = 0
    names: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Change:
    """One name of one directory, set or removed (`node` None), not yet safe. `after`:
    a change without which this cannot persist.
    """

    folder: int
    name: str
    node: int | None
    after: Change | None = None


class Disk:
    """A file system that forgets whatever was not synced."""

    def __init__(self) -> None:
        self.nodes = {ROOT: Node(True)}
        self.pending: list[Change] = []

    def find(self, path: str) -> int:
        """The node now called `path`, relative to the recorded directory."""
        node = ROOT
        for name in path.split("/") if path else []:
            node = self.nodes[node].names[name]
        return node

    def _set(self, path: str, node: int | None, after: Change | None = None) -> Change:
        parent, _, name = path.rpartition("/")
        folder = self.find(parent)
        if node is None:
            del self.nodes[folder].names[name]
        else:
            self.nodes[folder].names[name] = node
        change = Change(folder, name, node, after)
        self.pending.append(change)
        return change

    def apply(self, op: Op) -> None:
        """Do one recorded call."""
        kind, path = op[0], op[1]
        if kind in ("mkdir", "create"):
            number = len(self.nodes)
            self.nodes[number] = Node(kind == "mkdir")
            self._set(path, number)
        elif kind == "write":
            self.nodes[self.find(path)].data += op[2]
        elif kind in ("unlink", "rmdir"):
            self._set(path, None)
        elif kind == "rename":
            node = self.find(path)
            self._set(path, None, self._set(op[2], node))
        elif kind == "fsync":
            self._sync(self.find(path))

    def _sync(self, number: int) -> None:
        node = self.nodes[number]
        if not node.folder:
            node.safe = len(node.data)
            return
        for change in [change for change in self.pending if change.folder == number]:
            if change.after is None or change.after not in self.pending:
                self._persist(change, node.kept)
                self.pending.remove(change)

    @staticmethod
    def _persist(change: Change, names: dict[str, int]) -> None:
        if change.node is None:
            names.pop(change.name, None)
        else:
            names[change.name] = change.node

    def tree(self) -> Tree:
        """Every file as a running process sees it."""
        return dict(self._walk(lambda node: node.names, lambda node: bytes(node.data)))

    def _walk(
        self, names: Callable[[Node], dict[str, int]], content: Callable[[Node], bytes]
    ) -> Iterator[tuple[str, bytes]]:
        todo = [("", ROOT)]
        while todo:
            path, number = todo.pop()
            for name, child in names(self.nodes[number]).items():
                if self.nodes[child].folder:
                    todo.append((f"{path}{name}/", child))
                else:
                    yield path + name, content(self.nodes[child])

    def crashes(self, rng: random.Random, private: str) -> Iterator[tuple[Tree, set[str]]]:
        """What a power cut may leave now: (files, directories).

        Every combination of unsafe names that readers can see, each with none, all and six random choices of
        the unsafe names below `private` (work in progress, which no reader looks at), each with unsafe bytes
        lost, torn, zeroed and kept.
        """
        inner = self._below(private)
        seen = [n for n, change in enumerate(self.pending) if change.folder not in inner]
        hidden = [n for n, change in enumerate(self.pending) if change.folder in inner]
        choices = (
            [set(), set(hidden), *({n for n in hidden if rng.random() < 0.5} for _ in range(6))]
            if hidden
            else [set()]
        )
        unsafe = any(not node.folder and node.safe < len(node.data) for node in self.nodes.values())
        for chosen in itertools.chain.from_iterable(
            itertools.combinations(seen, size) for size in range(len(seen) + 1)
        ):
            for more in choices:
                for bytes_kept in ("lost", "torn", "zeroed", "kept") if unsafe else ("lost",):
                    yield self._left({*chosen, *more}, bytes_kept)

    def _below(self, private: str) -> set[int]:
        """Directories that are not where readers look: those below `private`,
        and those that have no name any more.
        """
        named: set[int] = set()
        todo = [("", ROOT)]
        while todo:
            path, number = todo.pop()
            named.add(number)
            for name, child in self.nodes[number].names.items():
                if self.nodes[child].folder and path + name != private:
                    todo.append((f"{path}{name}/", child))
        return {number for number, node in self.nodes.items() if node.folder} - named

    def _left(self, chosen: set[int], bytes_kept: str) -> tuple[Tree, set[str]]:
        names = {number: dict(node.kept) for number, node in self.nodes.items() if node.folder}
        held = [change for number, change in enumerate(self.pending) if number in chosen]
        for change in held:
            if change.after is None or change.after not in self.pending or change.after in held:
                self._persist(change, names[change.folder])
        found: Tree = {}
        folders: set[str] = set()
        todo = [("", ROOT)]
        while todo:
            path, number = todo.pop()
            for name, child in names[number].items():
                node = self.nodes[child]
                if node.folder:
                    folders.add(path + name)
                    todo.append((f"{path}{name}/", child))
                else:
                    found[path + name] = _bytes(node, bytes_kept)
        return found, folders


def _bytes(node: Node, kept: str) -> bytes:
    safe, lost = bytes(node.data[: node.safe]), bytes(node.data[node.safe :])
    return (
        safe + {"lost": b"", "torn": lost[: len(lost) // 2], "zeroed": bytes(len(lost)), "kept": lost}[kept]
    )


@contextmanager
def recorded(root: Path, ops: list[Op], stop: Callable[[Op], None] = lambda op: None) -> Iterator[None]:
    """Append every call that changes files below `root` to `ops`; `stop` sees each before it is done."""
    from sim.shell.publish import publish

    real = {
        name: getattr(os, name)
        for name in ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "remove", "rmdir")
    }
    base = str(root.resolve())

    def relative(path: Any, dir_fd: int | None = None) -> str | None:
        text = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
        if dir_fd is not None and not os.path.isabs(text):
            text = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), text)
        text = os.path.abspath(text)
        return text[len(base) + 1 :] if text == base or text.startswith(base + "/") else None

    def note(op: Op) -> None:
        if op[1] is not None:
            stop(op)
            ops.append(op)

    def opens(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = relative(path, dir_fd)
        fresh = bool(flags & os.O_CREAT) and name is not None and not os.path.lexists(path)
        if fresh:
            stop(("create", name))
        fd: int = real["open"](path, flags, mode, dir_fd=dir_fd)
        if fresh:
            ops.append(("create", name))
        return fd

    def writes(fd: int, data: Any) -> int:
        name = relative(fd)
        if name is not None:
            stop(("write", name))
        done: int = real["write"](fd, data)
        if name is not None:
            ops.append(("write", name, bytes(memoryview(data)[:done])))
        return done

    def fsyncs(fd: int) -> None:
        note(("fsync", relative(fd)))
        real["fsync"](fd)

    def one(kind: str, name: str) -> Callable[..., None]:
        def call(path: Any, *args: Any, dir_fd: int | None = None) -> None:
            inside = relative(path, dir_fd)
            if inside is not None:
                stop((kind, inside))
            real[name](path, *args, dir_fd=dir_fd)
            if inside is not None:
                ops.append((kind, inside))

        return call

    def renames(source: Any, target: Any) -> None:
        note(("rename", relative(source), relative(target)))
        real["rename"](source, target)

    class Libc:
        @staticmethod
        def renameat2(at: int, source: bytes, to: int, target: bytes, flags: int) -> int:
            op = ("rename", relative(os.fsdecode(source)), relative(os.fsdecode(target)))
            stop(op)
            done: int = libc.renameat2(at, source, to, target, flags)
            if done == 0:
                ops.append(op)
            return done

    libc = publish._libc
    patched = {"open": opens, "write": writes, "fsync": fsyncs, "rename": renames, "replace": renames}
    patched |= {"mkdir": one("mkdir", "mkdir"), "rmdir": one("rmdir", "rmdir")}
    patched |= {"unlink": one("unlink", "unlink"), "remove": one("unlink", "remove")}
    try:
        for name, function in patched.items():
            setattr(os, name, function)
        publish._libc = Libc  # type: ignore[assignment]
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        publish._libc = libc

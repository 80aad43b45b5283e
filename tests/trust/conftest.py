from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trust import mini

MEMORY = Path("/dev/shm")
"""A file system in memory, where a hundred fsyncs a run cost nothing; power loss is tested elsewhere."""


@contextlib.contextmanager
def memory_directory() -> Iterator[Path]:
    """A fresh directory in memory, or a plain temporary one where there is no such place."""
    with tempfile.TemporaryDirectory(
        prefix="closedworld-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None
    ) as name:
        yield Path(name)


@pytest.fixture
def ram() -> Iterator[Path]:
    """A fresh directory in memory."""
    with memory_directory() as path:
        yield path


@pytest.fixture(scope="session")
def mini_root() -> Iterator[Path]:
    """Contracts and config of the mini world; tests only read them."""
    with memory_directory() as root:
        mini.miniworld.write_world(root)
        yield root


@pytest.fixture(scope="session")
def plain(mini_root: Path) -> Path:
    """An undisturbed run of the mini world; forked runs find its kernel compiled."""
    return mini.miniworld.build(mini_root, out=mini_root / "plain").run_dir


@pytest.fixture(scope="session")
def plain_tree(plain: Path) -> dict[str, bytes]:
    """What an undisturbed run publishes, byte for byte."""
    return mini.tree(plain)


@pytest.fixture
def copy(plain: Path, ram: Path) -> Path:
    """A copy of the undisturbed run to break."""
    target = ram / "copy"
    shutil.copytree(plain, target, symlinks=True)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


@pytest.fixture
def child(plain: Path, mini_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., mini.Child]:
    """Start the mini world's run in a forked process: `child(out, *arguments, before=...)`."""
    monkeypatch.setattr("sim.model.MODEL", mini.miniworld.model())
    monkeypatch.setattr("sim.cli.common.settings.json", True)
    return functools.partial(mini.Child, mini_root)


COUNTED = ("write", "fsync", "mkdir", "open", "replace")


@pytest.fixture
def calls(child: Callable[..., mini.Child], ram: Path) -> dict[str, int]:
    """How often an undisturbed run makes each of these calls of `os`."""
    with mmap.mmap(-1, 8 * len(COUNTED)) as shared:  # the child's numbers are seen here
        numbers = memoryview(shared).cast("Q")

        def before() -> None:
            for place, name in enumerate(COUNTED):
                setattr(os, name, counted(place, getattr(os, name)))

        def counted(place: int, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                numbers[place] += 1
                return real(*args, **kwargs)

            return call

        assert child(ram / "counted", before=before).ended().code == 0
        found = dict(zip(COUNTED, numbers.tolist(), strict=True))
        numbers.release()
    found["write"] -= 1  # the child's answer, after the run
    assert all(number > 5 for number in found.values()), found
    return found


@pytest.fixture
def run(cli, mini_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., mini.Done]:  # type: ignore[no-untyped-def]
    """Run the mini world through the real entry point, in this process."""
    monkeypatch.setattr("sim.model.MODEL", mini.miniworld.model())

    def call(out: Path, *extra: str) -> mini.Done:
        answer = cli(*mini.arguments(mini_root, out, *extra))
        return mini.Done(answer.code, json.loads(answer.out), answer.err)

    return call

"""Runs the tests of publish.py and gate.py on every mutant of the two.

cosmic-ray's own runner rewrites the source file and starts an interpreter for every mutant. Here one pytest
session collects the tests once; for each mutant it forks a child, which swaps in the mutated functions and
runs the tests until one fails. No file of the tree changes. A test that killed is tried first on the next
mutant of that module: neighbours fall to the same test.

    python tests/trust/mutant_runs.py WORKERS [name ...]     # one line a mutant, of all or of those named
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/shell")]

from tests.trust.mutants import MODULES, Mutant, mutants  # noqa: E402

TESTS = (
    "trust/test_protocol.py",
    "trust/test_published_files.py",
    "shell/publish/test_publish.py",
    "trust/test_checks_demanded.py",
    "shell/publish/test_gate.py",
)
LEFT_OUT = (
    "not lock_names and not demanded_check and not contract_alone and not of_a_world and not only_the_writer"
)
CPU_LIMIT_S, TIME_LIMIT_S = 30, 900
"""Of a mutant that never ends, and of one that waits for ever; all tests take a tenth of the first."""
MEMORY = "/dev/shm"


def swap_in(mutant: Mutant) -> None:
    """Give the module's functions the mutant's code, wherever they were imported to,
    and its constants their values.
    """
    module = importlib.import_module(f"sim.shell.publish.{mutant.module}")
    changed: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(mutant.source, f"{module.__file__}", "exec", dont_inherit=True), changed)
    for name, value in list(vars(module).items()):
        other = changed.get(name)
        if hasattr(value, "__code__") and value.__module__ == module.__name__:
            value.__code__, value.__defaults__ = other.__code__, other.__defaults__  # type: ignore[union-attr]
        elif not name.startswith("__") and (name.startswith("_") or name.isupper()):
            setattr(module, name, other)


@dataclass
class _Trial:
    """A mutant being tested in a child process."""

    mutant: Mutant
    folder: Path
    told: int
    until: float


class Trials:
    """As a plugin of pytest: instead of running the collected tests once, runs them for every mutant.

    Attributes:
        tell: Called with each mutant, its fate - `survived`, `killed` or `killed: time` - and the test that
            killed it.
    """

    def __init__(self, chosen: list[Mutant], workers: int, tell: Callable[[Mutant, str, str], None]) -> None:
        self.chosen, self.workers, self.tell = chosen, workers, tell
        self.first: dict[str, list[int]] = {}
        self.running: dict[int, _Trial] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Have every mutant tested, a few at a time."""
        assert session.items and not session.testsfailed, "the tests of the mutants cannot be collected"
        self.first = {module: list(range(len(session.items))) for module in MODULES}
        for mutant in self.chosen:
            while len(self.running) == self.workers:
                self._wait(session)
            self._begin(mutant, session)
        while self.running:
            self._wait(session)
        return True

    def _begin(self, mutant: Mutant, session: pytest.Session) -> None:
        folder = Path(tempfile.mkdtemp(prefix="mutant-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _become(mutant, folder)
                killer = _killer(session, self.first[mutant.module])
                os.write(writer, b"" if killer is None else str(killer).encode())
                os._exit(killer is not None)
            finally:
                os._exit(3)  # the mutant does not even load, or takes pytest along
        os.close(writer)
        self.running[child] = _Trial(mutant, folder, reader, time.monotonic() + TIME_LIMIT_S)

    def _wait(self, session: pytest.Session) -> None:
        """Until one of those running has ended."""
        while True:
            for child, trial in self.running.items():
                late = time.monotonic() > trial.until
                if late:
                    os.killpg(child, signal.SIGKILL)
                pid, status = os.waitpid(child, 0 if late else os.WNOHANG)
                if pid:
                    return self._ended(child, os.waitstatus_to_exitcode(status), session)
            time.sleep(0.002)

    def _ended(self, child: int, code: int, session: pytest.Session) -> None:
        trial = self.running.pop(child)
        with os.fdopen(trial.told, "rb") as pipe:
            number = int(pipe.read() or -1)
        shutil.rmtree(trial.folder, ignore_errors=True)
        fate = "survived" if code == 0 else "killed: time" if code == -signal.SIGKILL else "killed"
        if number >= 0:
            order = self.first[trial.mutant.module]
            order.remove(number)
            order.insert(0, number)
        self.tell(trial.mutant, fate, session.items[number].nodeid if number >= 0 else f"exit {code}")


def _become(mutant: Mutant, folder: Path) -> None:
    """Be a process of its own that runs the mutant: quiet, bounded, with its own temporary files."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    swap_in(mutant)


def _killer(session: pytest.Session, order: list[int]) -> int | None:
    """Run the tests in an order until one fails: which did."""
    for number, following in zip(order, [*order[1:], None], strict=True):
        nextitem = None if following is None else session.items[following]
        session.config.hook.pytest_runtest_protocol(item=session.items[number], nextitem=nextitem)
        if session.testsfailed:
            return number
    return None


def warm() -> None:
    """Import and compile what every child would."""
    import miniworld

    with tempfile.TemporaryDirectory() as folder:
        miniworld.write_world(Path(folder))
        miniworld.build(Path(folder))


def main(names: list[str], workers: int) -> int:
    """Try every mutant, or those named, and print a line for each."""
    said, started = sys.stdout, time.monotonic()

    def tell(mutant: Mutant, fate: str, killer: str) -> None:
        change = f"{mutant.line}\t{mutant.operator}\t{mutant.before.strip()}\t{mutant.after.strip()}"
        print(
            f"{fate}\t{mutant.name}\t{change}\t{killer}\t{time.monotonic() - started:.1f}",
            file=said,
            flush=True,
        )

    os.environ.pop("PYTEST_XDIST_WORKER", None)  # this is a session of its own
    warm()
    chosen = [mutant for mutant in mutants() if not names or mutant.name in names]
    options = ["-x", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "-k", LEFT_OUT]
    os.chdir(ROOT)
    with contextlib.redirect_stdout(sys.stderr):
        return int(
            pytest.main(
                [*options, *(f"tests/{name}" for name in TESTS)], plugins=[Trials(chosen, workers, tell)]
            )
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], workers=int(sys.argv[1])))

"""The mini world of tests/shell behind the real command line: every shell module is real,
a run takes a twentieth of a second.

As a script (`python mini.py ROOT OUT [more arguments of closedworld run]`) it is a fresh process; `Child` is
a forked one.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests/shell"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import miniworld  # noqa: E402

import sim.cli.main  # noqa: E402
import sim.model  # noqa: E402
from tests.work import PATIENCE_S, wait_until  # noqa: E402

CODES = ("1A", "1B")
SPACE = re.compile(r"([\d,]+) bytes needed, ([\d,]+) bytes free")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    answer: dict[str, object]
    err: str

    @property
    def error(self) -> dict[str, object]:
        error = self.answer["error"]
        assert isinstance(error, dict)
        return error


def arguments(root: Path, out: Path, *extra: str) -> list[str]:
    """`closedworld run` of the mini world whose contracts and config lie in `root`."""
    places = ["--contracts", str(root / "contracts"), "--config", str(root / "config"), "--out", str(out)]
    return ["run", "--preset", "mini", *places, "--workers", "1", "--json", *extra]


def tree(run_dir: Path) -> dict[str, bytes]:
    """Everything published: data and gates, byte for byte."""
    files = [
        path for part in ("data", "gates") for path in sorted((run_dir / part).rglob("*")) if path.is_file()
    ]
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in files}


def run_dir(out: Path) -> Path:
    """The one run directory below `out`, or one that is not there."""
    return (
        next((path for path in out.iterdir() if path.is_dir()), out / "none")
        if out.is_dir()
        else out / "none"
    )


def subset(out: Path, plain: dict[str, bytes]) -> dict[str, bytes]:
    """What was published so far, held byte for byte against an undisturbed run; nothing half-written,
    nothing else.
    """
    found = tree(run_dir(out))
    wrong = [name for name, data in found.items() if plain.get(name) != data]
    assert not wrong, wrong
    return found


def process(
    root: Path, out: Path, *extra: str, before: Sequence[str] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the mini world's run in a fresh process; `before` is a command to run it under, as strace."""
    command = [*before, sys.executable, str(Path(__file__)), str(root), str(out), *extra]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings
    )


def ended(child: subprocess.Popen[str], timeout: float = PATIENCE_S) -> Done:
    """Wait for a process and read what it said; a traceback fails the test."""
    out, err = child.communicate(timeout=timeout)
    assert "Traceback" not in err, err[-3000:]
    return Done(child.returncode, json.loads(out) if out.strip() else {}, err)


class Child:
    """A run of the mini world in a forked process: no start-up, so a hundred of them cost little.

    Args:
        root: Contracts and config.
        out: Directory of run directories.
        extra: More arguments of `closedworld run`.
        before: Called in the child first: limits, barriers, faults, other segments.
    """

    def __init__(
        self, root: Path, out: Path, *extra: str, before: Callable[[], object] = lambda: None
    ) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            self._pipe = os.fdopen(reader)
            return
        code, said = 1, [io.StringIO(), io.StringIO()]
        try:
            sys.stdout, sys.stderr = said
            before()
            sys.argv = ["closedworld", *arguments(root, out, *extra)]
            sim.cli.main.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc(file=said[1])
        finally:
            # Less than a pipe holds, so nobody has to be reading yet.
            os.write(writer, json.dumps([text.getvalue()[-20_000:] for text in said]).encode())
            os._exit(code)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def ended(self) -> Done:
        """Wait for it; a traceback fails the test, a death by signal is its negative number."""
        _, status = os.waitpid(self.pid, 0)
        with self._pipe:
            said = self._pipe.read()
        texts = json.loads(said) if said else ["", ""]
        assert "Traceback" not in texts[1], texts[1][-3000:]
        return Done(
            os.waitstatus_to_exitcode(status), json.loads(texts[0]) if texts[0].strip() else {}, texts[1]
        )


def limited(name: str, value: int) -> Callable[[], None]:
    """Sets a resource limit; NOFILE leaves `value` descriptors beyond those that are open."""

    def limit() -> None:
        start = 0
        if name == "NOFILE":
            highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
            while (start := os.open(os.devnull, os.O_RDONLY)) < highest:
                pass  # fills the holes: the limit is on numbers, not on how many
            start += 1
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value + start, value + start))

    return limit


def main() -> None:
    """Be the command: `closedworld run` with the mini world's segments."""
    root, out, *rest = sys.argv[1:]
    sim.model.MODEL = miniworld.model()
    sys.argv = ["closedworld", *arguments(Path(root), Path(out), *rest)]
    sim.cli.main.main()


if __name__ == "__main__":
    main()


def wait_for(path: Path, child: Child) -> None:
    """Until a child process has made a file; fails if it ends before."""
    wait_until(
        path.exists,
        lambda: os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None,
        0.005,
    )

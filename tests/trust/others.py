"""Other versions of packages, installed beside ours for one test: never into our environment."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.work import PATIENCE_S


def installed(*requirements: str) -> Path:
    """A directory to put first on PYTHONPATH that holds these packages and nothing they need;
    skips where it cannot be had.
    """
    name = "-".join(requirements).replace("=", "").replace(".", "_")
    root = Path(tempfile.gettempdir()) / "closedworld-test-packages"
    root.mkdir(mode=0o700, exist_ok=True)
    folder = root / f"{name}-{sys.version_info.major}{sys.version_info.minor}"
    with (root / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--target",
                str(folder),
                *requirements,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            if done.returncode:
                pytest.skip(
                    f"{', '.join(requirements)} cannot be installed here: "
                    f"{done.stderr.strip().splitlines()[-1][:200]}"
                )
            (folder / "installed").touch()
    return folder

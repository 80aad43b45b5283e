"""Types come with the wheel: a user's mypy sees what the handle gives, and finds a wrong use of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.work import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
USE = """
import sim.world as cw
world = cw.open("runs/67d")
reveal_type(world)
reveal_type(world["outlet_catalogue"].rows)
world.head(3)
"""


@pytest.mark.slow(60)
def test_mypy_sees_the_types_of_an_installed_wheel(tmp_path: Path) -> None:
    wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(wheel, check=True, capture_output=True, timeout=PATIENCE_S)
    built = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(built) as archive:
        assert "sim/py.typed" in archive.namelist()
        assert "sim/_data/contracts/answers/run.yaml" in archive.namelist()
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=PATIENCE_S
    )
    python = tmp_path / "env/bin/python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(built),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE_S)
    (tmp_path / "use.py").write_text(USE)
    check = [
        sys.executable,
        "-m",
        "mypy",
        "--python-executable",
        str(python),
        "--config-file",
        "/dev/null",
        "--ignore-missing-imports",
    ]
    done = subprocess.run(
        [*check, "--follow-imports", "silent", "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 'Revealed type is "sim.world.handle.World"' in done.stdout, done.stdout + done.stderr
    assert 'Revealed type is "int"' in done.stdout or 'Revealed type is "builtins.int"' in done.stdout
    assert '"World" has no attribute "head"' in done.stdout and done.returncode == 1

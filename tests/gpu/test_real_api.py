"""Our calls of CuPy, RMM and cuDF against the real packages (3.6 GB, installed once into a cache);
the extra resolves. Needs no GPU.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PACKAGES = sorted(
    name for extra in ("nvrtc", "gpu-cu13") for name in EXTRAS[extra] if not name.startswith("closedworld")
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real_api")]


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python with the gpu-cu13 extra's packages and pytest; made once for these requirements and kept."""
    named = hashlib.sha256("\n".join([sys.version, *PACKAGES]).encode()).hexdigest()[:16]
    folder = (
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "closedworld" / f"gpu-cu13-{named}"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            venv.create(folder, clear=True, with_pip=True)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *PACKAGES, "pytest", "pyyaml", "hypothesis", "pyarrow"], check=True)
            (folder / "complete").touch()
    return folder / "bin/python"


def run(python: Path, *words: str) -> str:
    env = {**os.environ, "RAPIDS_NO_INITIALIZE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([python, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_call_fits_the_real_signatures(python: Path) -> None:
    found = json.loads(run(python, "tests/gpu/real_api.py"))
    assert found["problems"] == []
    assert all(count > 4 for count in found["looked"].values())
    assert all(found["planted"].values()), "a renamed argument went unnoticed"


def test_the_emulators_namespace_is_cupys(python: Path) -> None:
    alone = ["-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, "--rootdir", str(ROOT)]
    said = run(python, "-m", "pytest", "-q", *alone, "tests/gpu/test_arrays.py")
    assert "passed" in said and "skipped" not in said and "failed" not in said


def test_without_a_driver_every_step_says_what_to_do(python: Path) -> None:
    """Real CuPy, no driver: what a user meets who installs the extra on a laptop."""
    script = """
from pathlib import Path
from gpu_kernels.device import CudaDevice
from gpu_kernels.driver import DeviceUnavailable
from gpu_kernels.packages import import_cupy, version_of
import_cupy()
try:
    CudaDevice(Path("unused"))
except DeviceUnavailable as error:
    print(error, "|", error.do)
print(version_of("pylibcudf"), version_of("rmm"), version_of("cupy"))
"""
    lines = run(python, "-c", script).splitlines()
    assert lines[0].startswith("no NVIDIA driver | ") or "CUDA" not in lines[0]
    assert [version.split(".")[0] for version in lines[-1].split()] == ["26", "26", "14"]


def test_the_extra_resolves() -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--disable-pip-version-check",
        "--report",
        "-",
        ".[gpu-cu13]",
    ]
    done = subprocess.run(pip, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    names = {item["metadata"]["name"].lower() for item in json.loads(done.stdout)["install"]}
    assert {"cupy-cuda13x", "rmm-cu13", "pylibcudf-cu13"} <= names and "cudf-cu13" not in names

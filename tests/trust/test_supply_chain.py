"""What is installed is what was locked, what is shipped is what the source says,
and nothing is executed from data.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim.backends import cache

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for room in ("sim", "cpu_fallback", "gpu_kernels", "bench", ".ci", "config")
    for path in (ROOT / room).rglob("*.py")
)
LOCK = "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-test.lock"))
EXECUTES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "torch",
    "imp",
}
PICKLED_ARRAYS = {
    "numpy.load",
    "np.load",
    "numpy.save",
    "np.save",
    "np.savez",
    "np.fromfile",
    "np.memmap",
    "pd.read_pickle",
}


def entries() -> dict[str, list[str]]:
    """Locked `name==version` -> its hashes."""
    found = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", LOCK):
        name = re.match(r"([A-Za-z0-9._-]+==[^ \\\n]+)", entry)
        if name:
            found[name[1]] = re.findall(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)", entry)
    return found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_is_pinned_to_a_version_and_hashes() -> None:
    locked = entries()
    assert len(locked) > 60 and all(locked.values())
    text = [line for line in LOCK.splitlines() if line and not line.startswith(("#", " "))]
    assert len(text) == len(locked), (
        "every line is a package with ==, nothing from a path, a URL or without a pin"
    )


def test_lock_and_constraints_say_the_same() -> None:
    pins = dict(
        line.strip().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    locked = dict(name.split("==") for name in entries())
    # for Windows alone
    unix = {plain(name): version for name, version in locked.items() if name != "colorama"}
    assert {plain(name): version for name, version in pins.items()} == unix


def test_wheels_of_several_systems_are_locked() -> None:
    """Compiled packages have one file a system and Python: a lock made on one machine must not be a lock for
    that machine only.
    """
    locked = {plain(name.split("==")[0]): hashes for name, hashes in entries().items()}
    assert all(
        len(locked[name]) >= 10
        for name in ("numpy", "numba", "llvmlite", "pyarrow", "pyyaml", "rpds-py", "blake3")
    )


def test_make_installs_by_hash_and_nothing_else() -> None:
    """Every `pip install` of the Makefile takes hashed files of the lock,
    or this project without its dependencies.
    """
    makefile = (ROOT / "Makefile").read_text()
    pip = next(line for line in makefile.splitlines() if line.startswith("PIP "))
    lines = [line.replace("$(PIP)", pip) for line in makefile.splitlines() if "$(PIP)" in line]
    # The CUDA libraries of a GPU node are 3.6 GB of wheels for one system: pinned, not hashed.
    others = [line for line in makefile.splitlines() if "pip install" in line and line != pip]
    assert len(lines) == 3 and [
        ("--constraint constraints.txt" in line and "gpu-cu13" in line) for line in others
    ] == [True]
    for line in lines:
        by_hash = "--require-hashes" in line and "--no-deps" in line
        own = "--no-deps" in line and "--no-build-isolation" in line and "--editable ." in line
        assert by_hash or own, line


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.promise("P28", "Nothing is unpickled, evaluated or loaded as objects from a file", cases=230)
def test_no_source_executes_data() -> None:
    """No pickle under any name, no object arrays from files, no eval, no YAML but by safe loaders."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & EXECUTES, path
            if isinstance(node, ast.keyword):
                assert node.arg not in ("allow_pickle", "allow_objects"), path
        found = calls(tree)
        assert not found & PICKLED_ARRAYS and not found & {
            "eval",
            "exec",
            "compile",
            "__import__",
            "yaml.unsafe_load",
            "yaml.full_load",
        }, path
        loads = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load"
        ]
        assert all(any(keyword.arg == "Loader" for keyword in node.keywords) for node in loads), path
    assert len(SOURCES) > 200


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load('x')",
        "f(allow_pickle=True)",
        "eval('1')",
    ],
)
def test_the_search_finds_what_it_looks_for(
    bad: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text(bad)
    monkeypatch.setattr(sys.modules[__name__], "SOURCES", [tmp_path / "bad.py"])
    with pytest.raises(AssertionError):
        test_no_source_executes_data()


def test_the_kernel_cache_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba unpickles what lies there: 0700, or a throw-away directory;
    never one that others can write to or a link.
    """
    monkeypatch.setattr(cache, "_ROOT", tmp_path / "none/such")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    usual = tmp_path / "none/such/.numba_cache/x"
    old = os.umask(0)
    try:
        folder = cache.private_cache_dir("x")
    finally:
        os.umask(old)
    assert folder == usual and folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == os.getuid()
    for mode in (0o770, 0o702, 0o777):
        usual.chmod(mode)
        assert cache.private_cache_dir("x") == tmp_path / ".cache/closedworld/x"
    usual.rmdir()
    usual.symlink_to(tmp_path)
    assert cache.private_cache_dir("x") == tmp_path / ".cache/closedworld/x"
    (tmp_path / ".cache/closedworld/x").chmod(0o777)
    away = cache.private_cache_dir("x")
    assert away.stat().st_mode & 0o777 == 0o700 and "closedworld-cache-" in away.parent.name
    away.rmdir()


def build_wheel(folder: Path, env: dict[str, str]) -> str:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(
        command, env={**os.environ, **env}, cwd=folder.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    wheel = next(folder.glob("*.whl"))
    return f"{wheel.name} {hashlib.sha256(wheel.read_bytes()).hexdigest()}"


@pytest.mark.slow
@pytest.mark.promise(
    "P28",
    "The wheel is a function of the source",
    faults="other time, time zone, locale, umask and hash seed",
    cases=2,
)
def test_the_wheel_built_twice_is_the_same_bytes(tmp_path: Path) -> None:
    first = build_wheel(
        tmp_path / "a", {"SOURCE_DATE_EPOCH": "1767225600", "TZ": "UTC", "PYTHONHASHSEED": "1"}
    )
    old = os.umask(0o077)
    try:
        second = build_wheel(
            tmp_path / "b",
            {
                "SOURCE_DATE_EPOCH": "1767225600",
                "TZ": "Asia/Tokyo",
                "PYTHONHASHSEED": "2",
                "LC_ALL": "C.UTF-8",
            },
        )
    finally:
        os.umask(old)
    print(first)
    assert first == second


def test_the_bill_of_materials_lists_what_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci/sbom.py")], capture_output=True, text=True, check=True
    )
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    rows = {row["name"]: row for row in bill["components"]}
    assert {"numpy", "numba", "pyarrow", "pyyaml", "blake3", "typer"} <= set(rows)
    import numpy

    assert (
        rows["numpy"]["version"] == numpy.__version__
        and rows["numpy"]["purl"] == f"pkg:pypi/numpy@{numpy.__version__}"
    )
    assert len(rows["numpy"]["properties"]) >= 10

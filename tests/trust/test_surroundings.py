"""What is around a run changes nothing in it: clock, directory order, threads, versions of packages,
network, time zones, paths.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.worlds import ROOT, arguments, build, closedworld, content_digests, published
from tests.trust import mini
from tests.trust.others import installed
from tests.work import PATIENCE_S

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
ROOTLESS = (
    os.geteuid() != 0
    or subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False).returncode != 0
)
SHUFFLED = """
import os, random, datetime, time
_rng = random.Random(int(os.environ["SHUFFLE"]))
_listdir, _scandir = os.listdir, os.scandir
def listdir(*args):
    found = _listdir(*args)
    _rng.shuffle(found)
    return found
class scandir:
    def __init__(self, *args):
        with _scandir(*args) as entries:
            self.found = list(entries)
        _rng.shuffle(self.found)
    def __iter__(self): return iter(self.found)
    def __next__(self): return self.found.pop()
    def __enter__(self): return self
    def __exit__(self, *args): pass
    def close(self): pass
os.listdir, os.scandir = listdir, scandir
if "CLOCK" in os.environ:
    _time, _shift = time.time, float(os.environ["CLOCK"])
    time.time = lambda: _time() + _shift
    time.time_ns = lambda: int((_time() + _shift) * 1e9)
"""


def world(mini_root: Path, out: Path, **env: str) -> dict[str, bytes]:
    """The mini world built in a fresh process with these surroundings."""
    done = mini.ended(mini.process(mini_root, out, env=env))
    assert done.code == 0, done
    return mini.tree(mini.run_dir(out))


def shuffler(folder: Path) -> str:
    """A PYTHONPATH whose sitecustomize shuffles every directory listing and may shift the clock."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHUFFLED)
    return f"{folder}:{ROOT}"


MATRIX: dict[str, dict[str, str]] = {
    "everything else": {
        "TZ": "Asia/Kathmandu",
        "LANG": "ja_JP.SJIS",
        "LC_ALL": "tr_TR.UTF-8",
        "PYTHONHASHSEED": "1",
        "HOME": "/nonexistent",
    },
    "C locale, no UTF-8 mode": {
        "LANG": "C",
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "latin-1",
        "PYTHONHASHSEED": "0",
    },
    "threads": {
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "ARROW_IO_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    },
    "many threads": {
        "OMP_NUM_THREADS": "7",
        "NUMBA_NUM_THREADS": "2",
        "ARROW_IO_THREADS": "13",
        "PYTHONMALLOC": "debug",
    },
    "no SIMD in Arrow": {
        "ARROW_USER_SIMD_LEVEL": "NONE",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX",
    },
}


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.promise(
    "P18",
    "same bytes for any time zone, locale, hash seed, home and thread count",
    faults="surroundings of the mini world",
)
def test_surroundings(mini_root: Path, plain_tree: dict[str, bytes], ram: Path, name: str) -> None:
    assert world(mini_root, ram / "out", **MATRIX[name]) == plain_tree


@pytest.mark.promise(
    "P18",
    "same bytes for any order of directory listings and any clock",
    faults="listings shuffled, clock set back and forth",
    cases=3,
)
@pytest.mark.promise(
    "P20", "the clock is never read into published content", faults="clock 30 years back and forth", cases=2
)
def test_directory_order_and_clock(mini_root: Path, plain_tree: dict[str, bytes], ram: Path) -> None:
    path = shuffler(ram / "site")
    for number, clock in enumerate(("0", "-1e9", "1e9")):
        assert (
            world(mini_root, ram / str(number), PYTHONPATH=path, SHUFFLE=str(number), CLOCK=clock)
            == plain_tree
        )


@pytest.mark.promise(
    "P18", "same bytes in a directory with a long name of many kinds of characters, under any umask", cases=2
)
def test_paths_and_umask(mini_root: Path, plain_tree: dict[str, bytes], ram: Path) -> None:
    for number, mask in enumerate((0o000, 0o077)):
        before = os.umask(mask)
        try:
            out = ram / f"{number} [x] 'y' %20 ünïcode\u202e" / ("long" * 30) / ("er" * 60)
            assert world(mini_root, out) == plain_tree
        finally:
            os.umask(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole engine's smallest world, undisturbed."""
    return build("tiny", tmp_path_factory.mktemp("tiny"))


@pytest.mark.slow
@pytest.mark.promise(
    "P18",
    "the whole engine: shuffled listings, another clock, zone, locale and threads give the same bytes",
    faults="all of them",
)
def test_the_whole_engine_elsewhere(tiny: Path, ram: Path) -> None:
    env = {
        "PYTHONPATH": shuffler(ram / "site"),
        "SHUFFLE": "5",
        "CLOCK": "-7e8",
        "TZ": "America/St_Johns",
        "LC_ALL": "C",
    }
    full = {**os.environ, **env, "PYTHONHASHSEED": "77", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sim", *arguments("tiny", ram / "out")]
    subprocess.run(command, cwd=ROOT, env=full, check=True, capture_output=True, timeout=PATIENCE_S)
    assert published(ram / "out" / tiny.name) == published(tiny)


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (apt-get install libfaketime)")
@pytest.mark.promise(
    "P18", "a wrong clock, in every library, changes no byte", faults="libfaketime: 1999 and 2087", cases=2
)
def test_a_wrong_clock(tiny: Path, ram: Path) -> None:
    for when in ("1999-12-31 23:59:58", "2087-02-28 12:00:00"):
        env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"@{when}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        assert published(build("tiny", ram / when[:4], env=env)) == published(tiny)


@pytest.mark.slow
@pytest.mark.skipif(ROOTLESS, reason="namespaces need root")
@pytest.mark.promise(
    "P20",
    "no network, no system time zones, no home: the same bytes",
    faults="unshare -n, zoneinfo and /root hidden by empty mounts",
)
def test_without_network_zones_and_home(tiny: Path, ram: Path) -> None:
    (ram / "empty").mkdir()
    hide = " && ".join(
        f"mount --bind {ram}/empty {path}"
        for path in ("/usr/share/zoneinfo", "/etc/ssl")
        if Path(path).is_dir()
    )
    command = " ".join(
        [
            hide,
            "&&",
            "exec",
            sys.executable,
            "-m",
            "sim",
            *(f"'{one}'" for one in arguments("tiny", ram / "out")),
        ]
    )
    env = {**os.environ, "PYTHONTZPATH": "", "HOME": str(ram / "empty"), "XDG_CACHE_HOME": str(ram / "empty")}
    subprocess.run(
        ["unshare", "-mn", "sh", "-c", command],
        cwd=ROOT,
        env=env,
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert published(ram / "out" / tiny.name) == published(tiny)
    assert list((ram / "empty").iterdir()) == []


ALLOWED = (
    "/proc/",
    "/sys/",
    "/dev/null",
    "/dev/shm/",
    "/dev/urandom",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/lib",
    "/usr/lib",
    "/tmp/",
)
"""Beside the engine, its Python and the run: what the loader and the kernel tell of the machine."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)")
@pytest.mark.promise(
    "P20",
    "audit: every file opened is the engine's, Python's or the run's; nothing is connected to",
    faults="strace of a whole run",
)
def test_files_opened_and_connections(
    ram: Path, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    log = tmp_path / "strace.txt"
    calls = "trace=open,openat,openat2,connect,bind,sendto,execve"
    command = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "300",
        "-e",
        calls,
        "-o",
        str(log),
        sys.executable,
        "-m",
        "sim",
        *arguments("tiny", ram / "out"),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/root"}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=PATIENCE_S)
    prefixes = {str(ROOT), str(ram), sys.prefix, sys.base_prefix, *ALLOWED}
    lines = log.read_text(errors="replace").splitlines()
    opened = [path for line in lines if (path := _opened(line))]
    folders = {str(parent) for prefix in prefixes for parent in Path(prefix).parents}
    strange = sorted(
        {path for path in opened if not path.startswith(tuple(prefixes))} - folders - set(LIBRARIES)
    )
    assert not strange, strange
    network = [
        line
        for line in lines
        if re.search(r"\b(connect|bind|sendto)\(", line) and ("AF_INET" in line or "AF_UNIX" in line)
    ]
    assert not network, network[:5]
    assert len([line for line in lines if "execve(" in line]) == 1, "a run starts no other program"
    assert len(opened) > 500
    record_property("cases", len(opened))


LIBRARIES = ("/etc/localtime", "/etc/ssl/openssl.cnf", "/usr/share/locale/locale.alias")
"""Opened by C libraries for themselves (time, hashes, locale names);
the matrix above shows that none of it reaches a world.
"""


def _opened(line: str) -> str:
    match = re.search(r'\bopen(?:at2?)?\((?:AT_FDCWD, |\d+, )?"([^"]*)".*= \d+$', line)
    return os.path.normpath(ROOT / match[1]) if match else ""


def engine_copy(folder: Path) -> Path:
    """The engine's files alone, so that other versions leave our compiled kernels alone."""
    for name in ("sim", "cpu_fallback", "gpu_kernels", "contracts", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "requirements", [("pyarrow==20.0.0",), ("pyarrow==25.0.1",), ("numba==0.68.1", "llvmlite")], ids=" ".join
)
@pytest.mark.promise(
    "P19",
    "equal content digests with the oldest and another pyarrow, and with the latest numba",
    faults="other packages",
)
def test_other_versions_of_packages(
    tiny: Path, ram: Path, tmp_path: Path, requirements: tuple[str, ...]
) -> None:
    packages = installed(*requirements)
    engine = engine_copy(ram / "engine") if requirements[0].startswith("numba") else ROOT
    env = {"PYTHONPATH": f"{packages}:{engine}", "PYTHONDONTWRITEBYTECODE": "1"}
    name = requirements[0].split("==")[0]
    code = f"import {name}; print({name}.__version__)"
    shown = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(
            f"{requirements[0]} does not load beside our numpy: {shown.stderr.strip().splitlines()[-1][:200]}"
        )
    assert shown.stdout.strip() == requirements[0].split("==")[1]
    command = [sys.executable, "-m", "sim", *arguments("tiny", ram / "out")]
    done = subprocess.run(
        command,
        cwd=engine,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    other = ram / "out" / tiny.name
    assert content_digests(other) == content_digests(tiny)
    assert closedworld("verify", str(other), "--deep", check=False).returncode == 0

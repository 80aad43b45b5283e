"""A run writes into directories of its own and lets nobody else do so; what it makes elsewhere it removes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_kernels.cache import private_folder
from sim.backends import cache
from sim.shell.partition.attempts import Attempt
from sim.shell.publish.publish import make_directories
from tests.trust import mini

Run = Callable[..., mini.Done]
PLACES = (
    "",
    "staging",
    "data",
    "gates",
    "reports",
    "ledger",
    "data/layer1",
    "data/layer1/1A",
    "gates/1A",
    "gates/1A/states",
    "staging/1A.S1",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.promise(
    "P5",
    "a symbolic link planted in a run directory, or as one, stops a run before it writes",
    faults="links as each directory",
    cases=11,
)
def test_a_planted_link_is_refused_at_the_start(
    run: Run, mini_root: Path, plain_tree: dict[str, bytes], ram: Path, place: str
) -> None:
    here, elsewhere = ram / "out" / mini.miniworld.prepared(mini_root).run_id, ram / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    link = here / place if place else here
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    before = sorted(path for path in (ram / "out").rglob("*"))
    done = run(ram / "out")
    assert (
        done.code == 5
        and done.error["code"] == "SHELL.RUN_FOLDER_LINKED"
        and done.error["where"] == str(link)
    ), done
    assert f"{link} -> {elsewhere}" in str(done.error["examples"])
    assert sorted(path for path in (ram / "out").rglob("*")) == before
    assert [path.name for path in elsewhere.rglob("*")] == ["deep"]
    link.unlink()
    assert run(ram / "out").code == 0
    assert mini.tree(here) == plain_tree


@pytest.mark.promise(
    "P5",
    "a link planted among the files of a finished run stops the next invocation",
    faults="a link as a data file",
)
def test_a_planted_file_is_refused_too(run: Run, plain: Path, ram: Path) -> None:
    shutil.copytree(plain, ram / "out" / plain.name)
    path = next((ram / "out" / plain.name / "data").rglob("part-*.parquet"))
    path.rename(ram / "moved")
    path.symlink_to(ram / "moved")
    done = run(ram / "out")
    assert (
        done.code == 5
        and done.error["code"] == "SHELL.RUN_FOLDER_LINKED"
        and done.error["where"] == str(path)
    ), done


def test_the_directory_of_runs_may_be_a_link(run: Run, plain_tree: dict[str, bytes], ram: Path) -> None:
    (ram / "real").mkdir()
    (ram / "out").symlink_to(ram / "real")
    assert run(ram / "out").code == 0
    assert mini.tree(mini.run_dir(ram / "real")) == plain_tree


def everybodys(folder: Path) -> list[Path]:
    """What anybody may write to."""
    return [
        path
        for path in (folder, *folder.rglob("*"))
        if path.lstat().st_mode & stat.S_IWOTH and not path.is_symlink()
    ]


@pytest.fixture
def no_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_nothing_of_a_run_is_everybodys_to_write_to(run: Run, ram: Path, no_umask: object) -> None:
    (ram / "out").mkdir(mode=0o755)
    assert run(ram / "out").code == 0
    assert (ram / "out").stat().st_mode & 0o777 == 0o755
    found = everybodys(ram / "out")
    assert found == [] and len(list((ram / "out").rglob("*"))) > 20


def test_directories_of_workers_and_caches_are_not_everybodys(
    tmp_path: Path, no_umask: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_directories(tmp_path / "a/b/room")
    Attempt(tmp_path / "a/b/room", "00000").record(None)  # type: ignore[arg-type]
    private_folder(tmp_path / "cubins/of/ours")
    (tmp_path / "engine").mkdir(mode=0o755)
    monkeypatch.setattr(cache, "_ROOT", tmp_path / "engine")
    assert cache.private_cache_dir("proofs") == tmp_path / "engine/.numba_cache/proofs"
    assert (
        everybodys(tmp_path / "a") + everybodys(tmp_path / "cubins") + everybodys(tmp_path / "engine") == []
    )


NO_PLACE = """
import os, sys
from pathlib import Path
from sim.backends import cache
cache._ROOT = Path("/proc/nowhere")
cache.user_cache = lambda: None
places = {cache.private_cache_dir(name) for name in ("proofs", "numba", "proofs")}
assert len(places) == 2 and len({place.parent for place in places}) == 1, places
(places.pop() / "made").touch()
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
assert all(place.is_dir() for place in places), "the child took its parent's cache along"
print(len(os.listdir(os.environ["TMPDIR"])), flush=True)
if sys.argv[1] == "raise":
    raise RuntimeError("the end")
"""


@pytest.mark.parametrize("how", ["return", "raise"])
def test_a_cache_made_for_lack_of_a_private_place_is_removed(tmp_path: Path, how: str) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(mini.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", NO_PLACE, how], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "1\n" and done.returncode == (how == "raise"), done.stderr
    assert list(tmp_path.iterdir()) == []

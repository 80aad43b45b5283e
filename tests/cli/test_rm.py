"""closedworld rm: what goes, what stays, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.ground.errors import LockedError
from sim.shell.publish.lock import RunLock
from sim.shell.runs.find_run import runs_in
from sim.shell.runs.remove import look, remove_run
from sim.shell.runs.status import list_runs
from tests.work import PATIENCE_S

ROOT = Path(__file__).parents[2]


LOCKS = {
    "another name": lambda lock: lock.write_text("a name of another length than that of the next holder" * 3),
    "no lock": lambda lock: lock.unlink(),
}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_run_goes_and_nothing_else_does(cli, mini_copy, tmp_path, lock):
    """Whatever its lock was: a copy made without hidden files has none,
    and who removes a run writes a name of their own into it.
    """
    (tmp_path / "notes").write_text("mine")
    LOCKS[lock](mini_copy.run / ".lock")
    files = [path for path in mini_copy.run.rglob("*") if path.is_file() and path.name != ".lock"]
    size = sum(path.stat().st_size for path in files)
    answer = cli("rm", mini_copy.run, "--yes", "--json")
    assert answer.code == 0
    assert json.loads(answer.out) == {
        "schema": "closedworld.rm/1",
        "ok": True,
        "run_dir": str(mini_copy.run),
        "files": len(files),
        "bytes": size,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    again = cli("rm", mini_copy.run, "--yes")
    assert again.code == 2 and again.err.startswith("SHELL.RUN_NOT_FOUND")


def test_first_characters_do_and_nobody_is_asked_in_a_pipe(cli, mini_copy, monkeypatch):
    monkeypatch.chdir(mini_copy.run.parent)
    answer = cli("rm", mini_copy.run.name[:6])
    assert answer.code == 2 and "--yes" in answer.err and mini_copy.run.is_dir()
    assert cli("rm", mini_copy.run.name[:6], "--yes").code == 0
    assert not mini_copy.run.exists()


@pytest.mark.parametrize(("said", "gone"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked(mini_copy, said, gone):
    master, slave = os.openpty()
    os.write(master, said.encode())
    command = [sys.executable, "-m", "sim", "rm", str(mini_copy.run)]
    done = subprocess.run(
        command, cwd=ROOT, stdin=slave, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    os.close(master)
    os.close(slave)
    assert "files, " in done.stderr and str(mini_copy.run) in done.stderr
    assert (done.returncode, mini_copy.run.exists()) == ((0, False) if gone else (1, True)), done


def test_a_run_someone_works_on_stays(cli, mini_copy):
    with RunLock(mini_copy.run):
        answer = cli("rm", mini_copy.run, "--yes")
    assert answer.code == 6 and answer.err.startswith("SHELL.RUN_LOCKED")
    assert cli("verify", mini_copy.run).code == 0


def outside(run: Path) -> Path:
    target = run.parent / "precious"
    target.mkdir()
    (target / "part-00000.parquet").write_text("precious")
    return target


FOREIGN = {
    "a file of the user's": lambda run: (run / "notes.txt").write_text("mine"),
    "a folder of the user's": lambda run: (run / "notebooks").mkdir(),
    "a file among the data": lambda run: (run / "data/layer1/notes.txt").write_text("mine"),
    "a link to a folder": lambda run: (run / "data/linked").symlink_to(outside(run)),
    "a link to a file": lambda run: (run / "data/layer1/part-9.parquet").symlink_to(
        outside(run) / "part-00000.parquet"
    ),
    "data linked away": lambda run: (
        (run / "data").rename(run.parent / "data"),
        (run / "data").symlink_to(run.parent / "data"),
    ),
    "staging linked away": lambda run: (
        (run / "staging").rename(run.parent / "aside"),
        (run / "staging").symlink_to(outside(run)),
    ),
    "a pipe": lambda run: os.mkfifo(run / "gates/1A/pipe.json"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_a_runs_is_never_removed(cli, mini_copy, case):
    FOREIGN[case](mini_copy.run)
    before = sorted(str(path) for path in mini_copy.run.parent.rglob("*"))
    answer = cli("rm", mini_copy.run, "--yes")
    assert answer.code == 6 and answer.err.startswith("SHELL.RUN_HOLDS_OTHER_THINGS"), answer
    assert sorted(str(path) for path in mini_copy.run.parent.rglob("*")) == before


def test_a_link_to_a_run_and_a_folder_without_receipt_are_no_runs(cli, mini_copy, tmp_path):
    (tmp_path / "link").symlink_to(mini_copy.run)
    (tmp_path / "other/gates").mkdir(parents=True)
    for name in ("link", "other"):
        answer = cli("rm", tmp_path / name, "--yes")
        assert answer.code == 2 and answer.err.startswith("SHELL.NOT_A_RUN"), answer
    assert cli("verify", mini_copy.run).code == 0
    assert cli("rm", "s3://bucket/worlds/run", "--yes").code == 2


def test_what_changed_since_it_was_looked_at_stays(mini_copy):
    found = look(mini_copy.run)
    (mini_copy.run / "staging/more").write_text("new")
    with pytest.raises(LockedError, match=r"SHELL\.RUN_CHANGED"):
        remove_run(found)
    assert mini_copy.run.is_dir()


def test_a_lock_taken_on_a_removed_run_is_none(mini_copy, monkeypatch):
    """Another process opened the lock, the run went, then it locked what it had opened."""
    lock = RunLock(mini_copy.run)
    monkeypatch.setattr("fcntl.flock", lambda *_: mini_copy.run.rename(mini_copy.run.with_name("gone")))
    with pytest.raises(LockedError, match=r"SHELL\.RUN_REMOVED"):
        lock.__enter__()


KILL = """
import os, signal, sys
from pathlib import Path
from sim.shell.runs.remove import look, remove_run
run, stop = Path(sys.argv[1]), int(sys.argv[2])
seen = 0
def hook(event, args):
    global seen
    if event in ("os.rename", "os.remove", "os.rmdir", "ctypes.call_function") or event == "shutil.rmtree":
        seen += 1
        if seen == stop:
            os.kill(os.getpid(), signal.SIGKILL)
found = look(run)
sys.addaudithook(hook)
remove_run(found)
"""


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 9, 20])
def test_killed_at_any_moment_no_half_run_is_taken_for_one(cli, mini_copy, tmp_path, stop):
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(mini_copy.run), str(stop)], cwd=ROOT, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == -signal.SIGKILL
    if mini_copy.run.exists():
        assert cli("verify", mini_copy.run).code == 0
    else:
        assert list_runs(tmp_path, ("1A", "1B")) == [] and runs_in(tmp_path) == []
    # whoever removes the next run of this folder clears what is left
    left = [path for path in tmp_path.iterdir() if path.name.startswith(".removed-")]
    assert len(left) <= 1
    for path in left:
        assert stop < 3 or not (path / "run_receipt.json").exists()


def test_what_a_killed_removal_left_goes_with_the_next(mini_copy, tmp_path):
    left = tmp_path / f".removed-{'0' * 32}"
    (left / "data/layer1").mkdir(parents=True)
    stays = tmp_path / ".removed-by-me"
    stays.mkdir()
    remove_run(look(mini_copy.run))
    assert [path.name for path in tmp_path.iterdir()] == [".removed-by-me"]

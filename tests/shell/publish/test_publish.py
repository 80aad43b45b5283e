"""The publish protocol in small: no replace, read back, lock, storage errors."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.ground.errors import GateError, LockedError, StorageError
from sim.ground.identity import sha256_bytes
from sim.shell.publish import publish
from sim.shell.publish.lock import RunLock


def test_rename_never_replaces(tmp_path: Path) -> None:
    for kind in ("file", "dir"):
        source, target = tmp_path / f"s{kind}", tmp_path / f"t{kind}"
        for path in (source, target):
            path.mkdir() if kind == "dir" else path.write_text(path.name)
        assert not publish.rename_new(source, target)
        assert source.exists() and target.exists()
    (tmp_path / "tdir").rmdir()
    assert publish.rename_new(tmp_path / "sdir", tmp_path / "tdir")


def test_written_files_are_read_only_and_new(tmp_path: Path) -> None:
    path = tmp_path / "f"
    publish.write_new(path, b"abc")
    assert path.read_bytes() == b"abc" and path.stat().st_mode & 0o777 & ~0o444 == 0
    with pytest.raises(StorageError, match="IO_WRITE_FAILED"):
        publish.write_new(path, b"other")
    assert path.read_bytes() == b"abc"


@pytest.mark.promise("P12", "short writes are completed", faults="writes of three bytes")
def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    publish.write_new(tmp_path / "f", b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.promise(
    "P11", "a document that reads back differently is not published", faults="a write stores zeros"
)
def test_a_write_that_lies_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(len(data))))
    with pytest.raises(StorageError, match="READ_BACK_MISMATCH"):
        publish.publish_document(tmp_path, tmp_path / "out" / "doc.json", b"precious", "")
    assert not (tmp_path / "out" / "doc.json").exists()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.promise("P10", "a failed fsync is told and never tried again", faults="EIO, ENOSPC, EDQUOT")
def test_a_failed_fsync_is_told_and_never_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    calls = []

    def fails(fd: int) -> None:
        calls.append(fd)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StorageError, match="IO_WRITE_FAILED") as error:
        publish.write_new(tmp_path / "f", b"x")
    assert len(calls) == 1 and errno.errorcode[code] in error.value.found
    assert ("bytes free" in error.value.found) == (code != errno.EIO)


def test_publishing_the_same_document_twice_is_a_no_op_and_another_a_conflict(tmp_path: Path) -> None:
    target = tmp_path / "a" / "doc"
    assert publish.publish_document(tmp_path, target, b"one", "")
    before = target.stat().st_mtime_ns
    assert not publish.publish_document(tmp_path, target, b"one", "")
    with pytest.raises(LockedError, match="OUTPUT_CONFLICT"):
        publish.publish_document(tmp_path, target, b"two", "")
    assert target.read_bytes() == b"one" and target.stat().st_mtime_ns == before


def test_a_directory_with_strangers_is_not_published(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    publish.write_new(staged / "a", b"1")
    publish.write_new(staged / "b", b"2")
    with pytest.raises(StorageError, match="STAGING_DAMAGED"):
        publish.publish_directory(staged, tmp_path / "out", {"a": sha256_bytes(b"1")})
    assert publish.publish_directory(
        staged, tmp_path / "out", {"a": sha256_bytes(b"1"), "b": sha256_bytes(b"2")}
    )


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Opened as a file is, it would wait for a writer that never comes; an alarm ends that."""
    os.mkfifo(tmp_path / "pipe")
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("waits for a writer"))
    signal.alarm(900)
    try:
        with pytest.raises(GateError, match="PUBLISHED_FILE_INVALID"):
            publish.read_published(tmp_path / "pipe")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.promise(
    "P7", "the lock names its holder and is free when the holder is killed", faults="SIGKILL of the holder"
)
def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    code = "import sys,time; from pathlib import Path; from sim.shell.publish.lock import RunLock\n"
    code += "with RunLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(3600)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(LockedError) as error, RunLock(tmp_path):
        pass
    assert f'"pid": {holder.pid}' in error.value.found
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with RunLock(tmp_path):
        pass

"""The publish protocol step by step: what is written, synced, read back and renamed,
in this order and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sim.ground.errors import StorageError
from sim.ground.identity import sha256_bytes
from sim.shell.publish import publish


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every sync, read-back and rename, as they happen."""
    told: list[str] = []
    sync, read, libc = os.fsync, publish.sha256_file, publish._libc

    def name(path: Path) -> str:
        return (
            str(path).replace(str(tmp_path), "").replace(f".{os.getpid()}", "").strip("/") or "."
            if path != tmp_path.parent
            else ".."
        )

    def syncs(fd: int) -> None:
        told.append(f"sync {name(Path(f'/proc/self/fd/{fd}').readlink())}")
        sync(fd)

    def reads(path: Path) -> str:
        told.append(f"read {name(path)}")
        return read(path)

    class Libc:
        @staticmethod
        def sync_file_range(fd: int, first: Any, size: Any, flags: int) -> Any:
            told.append(
                f"begin {name(Path(f'/proc/self/fd/{fd}').readlink())} {first.value} {size.value} {flags}"
            )
            return libc.sync_file_range(fd, first, size, flags)

        @staticmethod
        def renameat2(at: int, source: bytes, to: int, target: bytes, flags: int) -> Any:
            told.append(f"rename {name(Path(os.fsdecode(source)))} {name(Path(os.fsdecode(target)))} {flags}")
            return libc.renameat2(at, source, to, target, flags)

    monkeypatch.setattr(os, "fsync", syncs)
    monkeypatch.setattr(publish, "sha256_file", reads)
    monkeypatch.setattr(publish, "_libc", Libc)
    # files are read back one by one, so in one order
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    (tmp_path / "s/d").mkdir(parents=True)
    return told


def test_a_document(tmp_path: Path, steps: list[str]) -> None:
    assert publish.publish_document(tmp_path / "s", tmp_path / "out/in/doc", b"1", "")
    parents = ["sync ..", "sync .", "sync out"]
    assert steps == [
        *parents,
        "begin s/doc 0 0 2",
        "sync s/doc",
        "read s/doc",
        "rename s/doc out/in/doc 1",
        "sync out/in",
        "sync s",
    ]
    steps.clear()
    assert not publish.publish_document(tmp_path / "s", tmp_path / "out/in/doc", b"1", "")
    assert steps == ["sync out/in", "sync s"]
    assert publish.publish_document(tmp_path / "s", tmp_path / "out/in/other", b"1", "")
    assert steps[2:5] == ["sync out", "begin s/other 0 0 2", "sync s/other"]


def test_a_document_left_in_staging_by_the_same_process_number_is_overwritten(
    tmp_path: Path, steps: list[str]
) -> None:
    (tmp_path / f"s/doc.{os.getpid()}").write_bytes(b"old")
    assert publish.publish_document(tmp_path / "s", tmp_path / "doc", b"new", "")
    assert (tmp_path / "doc").read_bytes() == b"new"


def test_a_directory(tmp_path: Path, steps: list[str]) -> None:
    for name in ("a", "b"):
        publish.write_new(tmp_path / "s/d" / name, name.encode())
    assert steps == ["begin s/d/a 0 0 2", "sync s/d/a", "begin s/d/b 0 0 2", "sync s/d/b"]
    steps.clear()
    files = {name: sha256_bytes(name.encode()) for name in ("a", "b")}
    assert publish.publish_directory(tmp_path / "s/d", tmp_path / "out/d", files)
    assert steps == [
        "read s/d/a",
        "read s/d/b",
        "sync s/d",
        "sync ..",
        "sync .",
        "rename s/d out/d 1",
        "sync out",
        "sync s",
    ]
    steps.clear()
    assert not publish.publish_directory(tmp_path / "s/d", tmp_path / "out/d", files)
    assert steps == ["read out/d/a", "read out/d/b", "sync out", "sync s"]


def test_what_is_done_meanwhile_is_done_between_the_disk_s_beginning_and_the_wait(
    tmp_path: Path, steps: list[str]
) -> None:
    def meanwhile() -> int:
        assert (tmp_path / "s/d/a").read_bytes() == b"1"
        steps.append("meanwhile")
        return 7

    assert publish.write_new(tmp_path / "s/d/a", b"1", meanwhile) == 7
    assert steps == ["begin s/d/a 0 0 2", "meanwhile", "sync s/d/a"]


def test_a_machine_that_cannot_begin_early_waits_all_the_same(
    tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_libc", object())
    publish.write_new(tmp_path / "s/d/a", b"1")
    assert steps == ["sync s/d/a"]


@pytest.mark.parametrize("listed", [("a",), ("a", "b", "c"), ("a", "c"), ("c", "d", "e"), ()])
def test_staging_must_hold_exactly_what_was_written(
    tmp_path: Path, steps: list[str], listed: tuple[str, ...]
) -> None:
    """One too many, one missing, other names, none: nothing is read, synced or renamed then."""
    for name in ("a", "b"):
        publish.write_new(tmp_path / "s/d" / name, name.encode())
    steps.clear()
    with pytest.raises(StorageError, match="STAGING_DAMAGED") as error:
        publish.publish_directory(
            tmp_path / "s/d", tmp_path / "out/d", {name: sha256_bytes(name.encode()) for name in listed}
        )
    differ = sorted({"a", "b"} ^ set(listed))[:3]
    assert (
        error.value.found == f"2 entries, {differ} differ" and error.value.expected == f"{len(listed)} files"
    )
    assert steps == []


@pytest.mark.parametrize("found", ["0" * 64, "f" * 64])
@pytest.mark.promise(
    "P11",
    "what reads back differently is not published, document or directory",
    faults="another digest read back",
)
def test_what_reads_back_differently_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """Whatever the two digests are: one smaller than the one noted is as wrong as one greater."""
    (tmp_path / "s/d").mkdir(parents=True)
    publish.write_new(tmp_path / "s/d/a", b"1")
    monkeypatch.setattr(publish, "sha256_file", lambda path: found)
    with pytest.raises(StorageError, match="READ_BACK_MISMATCH") as error:
        publish.publish_document(tmp_path / "s", tmp_path / "out/doc", b"1", "")
    assert (error.value.found, error.value.expected) == (found, sha256_bytes(b"1"))
    with pytest.raises(StorageError, match="READ_BACK_MISMATCH"):
        publish.publish_directory(tmp_path / "s/d", tmp_path / "out/d", {"a": sha256_bytes(b"1")})
    assert not list((tmp_path / "out").iterdir())


def test_what_an_earlier_process_published_is_made_durable(tmp_path: Path, steps: list[str]) -> None:
    """The new name, then the disappearance of the old one; staging may be gone already."""
    (tmp_path / "out").mkdir()
    publish.settle_published(tmp_path / "out/doc", tmp_path / "s")
    assert steps == ["sync out", "sync s"]
    steps.clear()
    publish.settle_published(tmp_path / "out/doc", tmp_path / "gone")
    assert set(steps) == {"sync out"}
    with pytest.raises(StorageError, match="IO_WRITE_FAILED"):
        publish.settle_published(tmp_path / "none/doc", tmp_path / "s")

"""What `publish.py` and `gate.py` do in the corners; together with tests/shell every
branch of them is taken.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.ground.errors import GateError, LockedError, StorageError
from sim.ground.identity import sha256_bytes
from sim.shell.publish import publish
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import (
    FLAG_NAME,
    open_bundle,
    require_bytes,
    require_file,
    require_state,
    verify_bundle,
)
from sim.shell.publish.manifest import StateManifest
from sim.state.records import PartFile, Published
from tests.trust.mutant_runs import LEFT_OUT, ROOT, TESTS

KEEPERS = ("sim/shell/publish/publish.py", "sim/shell/publish/gate.py")


def staged(folder: Path, **files: bytes) -> dict[str, str]:
    folder.mkdir(parents=True)
    for name, data in files.items():
        publish.write_new(folder / name, data)
    return {name: sha256_bytes(data) for name, data in files.items()}


def test_a_directory_published_before_is_kept_if_equal_and_a_conflict_if_not(tmp_path: Path) -> None:
    files = staged(tmp_path / "s/a", x=b"1", y=b"2")
    assert publish.publish_directory(tmp_path / "s/a", tmp_path / "out/a", files)
    assert not publish.publish_directory(tmp_path / "s/a", tmp_path / "out/a", files)
    for wrong in ({**files, "y": sha256_bytes(b"3")}, {"x": files["x"]}, {**files, "z": files["x"]}):
        with pytest.raises(LockedError, match="OUTPUT_CONFLICT"):
            publish.publish_directory(tmp_path / "s/a", tmp_path / "out/a", wrong)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/a").iterdir()} == {"x": b"1", "y": b"2"}


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], Any]) -> None:
    """Another writer acts on the target between the last look and the rename."""
    real = publish.rename_new

    def rename(source: Path, target: Path) -> bool:
        act(target)
        return real(source, target)

    monkeypatch.setattr(publish, "rename_new", rename)


def test_a_name_taken_between_look_and_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").mkdir()
    files = staged(tmp_path / "d/a", x=b"1")
    meanwhile(
        monkeypatch, lambda target: target.mkdir() if target.suffix == "" else target.write_bytes(b"same")
    )
    assert not publish.publish_document(tmp_path / "s", tmp_path / "out/a.json", b"same", "")
    with pytest.raises(LockedError, match="OUTPUT_CONFLICT") as error:
        publish.publish_document(tmp_path / "s", tmp_path / "out/b.json", b"other", "Explained.")
    assert "Explained." in error.value.found
    with pytest.raises(LockedError, match="OUTPUT_CONFLICT"):
        publish.publish_directory(tmp_path / "d/a", tmp_path / "out/c", files)
    assert (tmp_path / "out/b.json").read_bytes() == b"same" and not list((tmp_path / "out/c").iterdir())


@pytest.mark.parametrize("missing", ["call", "support"])
def test_without_renameat2_nothing_is_replaced_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    class Old:
        @staticmethod
        def renameat2(*_: Any) -> int:
            return -1

    monkeypatch.setattr(publish, "_libc", object() if missing == "call" else Old)
    monkeypatch.setattr(publish.ctypes, "get_errno", lambda: errno.EINVAL)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert not publish.rename_new(tmp_path / "a", tmp_path / "b")
    assert publish.rename_new(tmp_path / "a", tmp_path / "c")
    assert [(tmp_path / name).read_text() for name in "bc"] == ["b", "a"] and not (tmp_path / "a").exists()


def test_another_error_of_rename_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="IO_WRITE_FAILED") as error:
        publish.rename_new(tmp_path / "absent", tmp_path / "b")
    assert "ENOENT" in error.value.found


def test_directories_below_an_unreadable_one_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be said of a parent we may not read (0711 on a shared scratch disk), and nothing is."""
    synced: list[str] = []
    monkeypatch.setattr(publish, "fsync_directory", lambda path: synced.append(path.name))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path.parent)
    publish.make_directories(tmp_path / "a/b")
    assert synced == [tmp_path.name, "a"]
    monkeypatch.undo()
    monkeypatch.setattr(publish, "fsync_directory", lambda path: synced.append(path.name))
    publish.make_directories(tmp_path / "a/b")
    assert synced == [tmp_path.name, "a", "a"]


def test_directories_have_one_mode_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        publish.make_directories(tmp_path / "a/b")
    finally:
        os.umask(old)
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b")] == [0o775, 0o775]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
def test_a_machine_in_trouble_is_not_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(*_: Any, **__: Any) -> int:
        raise OSError(code, os.strerror(code))

    (tmp_path / "f").touch()
    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(StorageError) as error:
        publish.read_published(tmp_path / "f")
    assert errno.errorcode[code] in error.value.found


def test_only_plain_files_of_sane_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert publish.read_published(tmp_path / "f", limit=5) == b"12345"
    os.truncate(tmp_path / "f", 1 << 26)
    assert len(publish.read_published(tmp_path / "f")) == 1 << 26
    os.truncate(tmp_path / "f", (1 << 26) + 1)
    with pytest.raises(GateError, match="PUBLISHED_FILE_INVALID"):
        publish.read_published(tmp_path / "f")
    for path, limit, code in (
        (tmp_path / "f", 4, "INVALID"),
        (tmp_path, 5, "INVALID"),
        (tmp_path / "none", 5, "MISSING"),
    ):
        with pytest.raises(GateError, match=f"PUBLISHED_FILE_{code}") as error:
            publish.read_published(path, limit)
        missing = code == "MISSING"
        assert ("cannot be opened" in error.value.what, error.value.do.startswith("run again")) == (
            missing,
            missing,
        )


def test_a_file_that_may_not_be_opened_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / "f").touch()
    monkeypatch.setattr(os, "open", refuses)
    with pytest.raises(GateError, match="PUBLISHED_FILE_INVALID"):
        publish.read_published(tmp_path / "f")


def test_a_directory_is_compared_only_if_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_bytes(b"")
    assert publish.compare_directory(tmp_path / "real", {}) == []
    for name in ("link", "file", "none"):
        assert publish.compare_directory(tmp_path / name, {}) == [f"{tmp_path / name}: missing directory"]


def test_names_alone_are_compared_without_a_thread_and_contents_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"1")
    ran: list[list[str]] = []
    real = publish.side_by_side
    monkeypatch.setattr(
        publish, "side_by_side", lambda function, items: (ran.append(items), real(function, items))[1]
    )
    files = {"a": "0" * 64, "b": "0" * 64}
    assert publish.compare_directory(tmp_path, files, hashes=False) == [f"{tmp_path / 'b'}: missing"]
    assert ran == []
    wrong = f"{tmp_path / 'a'}: SHA-256 {sha256_bytes(b'1')}, published as {'0' * 64}"
    assert publish.compare_directory(tmp_path, files) == [wrong, f"{tmp_path / 'b'}: missing"]
    assert ran == [["a", "b"]]


def test_documents_that_leave_the_run_are_not_read(tmp_path: Path) -> None:
    documents = {
        "../outside.json": "0" * 64,
        "/etc/passwd": "0" * 64,
        "aa.json": "0" * 64,
        "zz.json": "0" * 64,
    }
    bundle = Bundle(
        "1A", "", "", (), {"documents": documents, "parents": {"0A": "f" * 64}, "ledger": [], "checks": []}
    )
    problems = verify_bundle(tmp_path, bundle, deep=True)
    assert [problem.rpartition(": ")[2] for problem in problems[:2]] == ["leaves the run directory"] * 2
    for place, name in ((2, "aa"), (3, "zz")):
        assert problems[place].startswith(f"{tmp_path}/gates/1A/{name}.json: No such file")
    assert "no flag, but 1A was built on ffff" in problems[4] and len(problems) == 5


def test_an_index_other_than_the_flag_s_is_called_by_its_digest(mini_copy: Any) -> None:
    """Whether its digest is larger or smaller."""
    path = mini_copy.run / "gates/1A/index.json"
    data, sides = path.read_bytes(), set()
    for spaces in range(1, 30):
        path.write_bytes(data + b" " * spaces)
        sides.add(sha256_bytes(data + b" " * spaces) < sha256_bytes(data))
        with pytest.raises(GateError, match="DIGEST_MISMATCH"):
            open_bundle(mini_copy.run, "1A")
    assert sides == {True, False}


@pytest.mark.parametrize("other", ["0" * 64, "f" * 64])
def test_a_flag_other_than_it_was_built_on_is_told_on_either_side(tmp_path: Path, other: str) -> None:
    (tmp_path / "gates/0A").mkdir(parents=True)
    (tmp_path / "gates/0A" / FLAG_NAME).write_bytes(b"flag")
    for digest, count in ((sha256_bytes(b"flag"), 0), (other, 1)):
        bundle = Bundle(
            "1A", "", "", (), {"documents": {}, "parents": {"0A": digest}, "ledger": [], "checks": []}
        )
        assert len(verify_bundle(tmp_path, bundle, deep=False)) == count


def test_what_no_flag_vouches_for_must_be_as_its_state_lists_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/f").write_bytes(b"rows")
    part = PartFile("f", 4, 1, sha256_bytes(b"rows"), "")
    manifest = StateManifest("1A.S1", {}, (Published("d", None, "data", (part,), ""),), (), ())
    require_state(tmp_path, manifest, deep=True)
    (tmp_path / "data/f").write_bytes(b"ROWS")
    require_state(tmp_path, manifest, deep=False)
    for deep, harm in ((True, b"ROWS"), (False, b"more rows")):
        (tmp_path / "data/f").write_bytes(harm)
        with pytest.raises(GateError, match="PUBLISHED_FILE_MISSING") as error:
            require_state(tmp_path, manifest, deep)
        assert "1A.S1" in error.value.what and f"{tmp_path}/data/f" in str(error.value)


@pytest.mark.parametrize("require", [require_file, require_bytes])
def test_a_data_file_must_be_the_plain_file_of_its_digest(
    tmp_path: Path, require: Callable[[Path, str], bytes | None]
) -> None:
    path, link, sides = tmp_path / "f", tmp_path / "link", set()
    link.symlink_to(path)
    for number in range(30):
        data = bytes([number]) * number
        path.write_bytes(data)
        assert require(path, sha256_bytes(data)) == (data if require is require_bytes else None)
        sides.add(sha256_bytes(data) < sha256_bytes(b"published"))
        with pytest.raises(GateError, match="SEALED_INPUTS_DIGEST_MISMATCH") as error:
            require(path, sha256_bytes(b"published"))
        assert error.value.found == f"SHA-256 {sha256_bytes(data)}"
        for other in (link, tmp_path, tmp_path / "none"):
            with pytest.raises(GateError) as error:
                require(other, sha256_bytes(data))
            assert error.value.found == "no such file"
    assert sides == {True, False}


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_a_size_other_than_published_is_told(tmp_path: Path, size: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/f").write_bytes(bytes(size))
    part = PartFile("f", 1000, 1, sha256_bytes(bytes(size)), "")
    bundle = Bundle(
        "1A",
        "",
        "",
        (Published("d", None, "data", (part,), ""),),
        {"documents": {}, "parents": {}, "checks": []},
    )
    told: list[int] = []
    wanted = [] if size == 1000 else [f"{tmp_path}/data/f: {size} bytes, published with 1000"]
    assert verify_bundle(tmp_path, bundle, deep=False, on_bytes=told.append) == wanted
    assert verify_bundle(tmp_path, bundle, deep=True, content=lambda item: ["content"]) == (
        wanted or ["content"]
    )
    assert verify_bundle(
        tmp_path, bundle, deep=False, content=lambda item: ["content"]
    ) == wanted and told == [1000]


def test_only_a_directory_is_synced_as_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    publish.fsync_directory(tmp_path)
    with pytest.raises(NotADirectoryError):
        publish.fsync_directory(tmp_path / "f")


def test_no_descriptor_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after success, and not after an error either."""

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    def each() -> None:
        acts = (
            publish.fsync_directory,
            lambda path: publish.write_new(path / f"n{len(list(path.iterdir()))}", b"1"),
        )
        for number, act in enumerate(acts):
            with contextlib.suppress(OSError, StorageError):
                act(tmp_path)
            assert len(list(Path("/proc/self/fd").iterdir())) == before, number

    before = len(list(Path("/proc/self/fd").iterdir()))
    each()
    monkeypatch.setattr(os, "fsync", fails)
    each()
    for path in (tmp_path, tmp_path / "n0"):
        with contextlib.suppress(GateError):
            publish.read_published(path)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_relative_names_are_renamed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"1")
    assert publish.rename_new(Path("a"), Path("b")) and Path("b").read_bytes() == b"1"


def test_deep_verification_asks_for_content_only_of_files_that_are_there(mini: Any) -> None:
    bundle, asked, told = open_bundle(mini.run, "1A"), list[str](), list[int]()
    assert verify_bundle(
        mini.run,
        bundle,
        deep=True,
        on_bytes=told.append,
        content=lambda item: asked.append(item.dataset) or ["x"],
    )
    assert asked == [item.dataset for item in bundle.datasets] and told == [
        item.bytes for item in bundle.datasets
    ]


@pytest.mark.slow
def test_every_branch_of_the_two_has_been_taken(tmp_path: Path) -> None:
    """Coverage of both by these tests and those of tests/shell: every line, every branch."""
    settings = tmp_path / "coverage.ini"
    settings.write_text(
        f"[run]\nbranch = True\ninclude = {','.join(f'*/{name}' for name in KEEPERS)}\ndata_file = "
        f"{tmp_path}/data\n"
    )
    run = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        "--rcfile",
        str(settings),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    chosen = ["-m", "not slow", "-k", LEFT_OUT]
    done = subprocess.run(
        [*run, *chosen, *(f"tests/{name}" for name in TESTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    report = [
        sys.executable,
        "-m",
        "coverage",
        "json",
        "--rcfile",
        str(settings),
        "-o",
        str(tmp_path / "json"),
    ]
    subprocess.run(report, cwd=ROOT, check=True, capture_output=True)
    files = json.loads((tmp_path / "json").read_text())["files"]
    left = {name: (seen["missing_lines"], seen["missing_branches"]) for name, seen in files.items()}
    print({name: seen["summary"]["num_branches"] for name, seen in files.items()})
    assert left == dict.fromkeys(left, ([], [])) and len(left) == 2

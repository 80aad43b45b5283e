"""Files are read once, never waited for, and bounded; whatever else lies under their names is refused by
name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from pathlib import Path

import pytest

from sim.ground.errors import ContractError, StorageError
from sim.ground.plain_file import NotPlain, open_plain, read_plain
from sim.ground.read_once import MAX_ENTRIES, Folder, read_once


@pytest.mark.parametrize("size", [0, 1, 4096, 1_000_003])
def test_bytes_and_digest_are_of_one_reading(tmp_path: Path, size: int) -> None:
    path, data = tmp_path / "file", os.urandom(size)
    path.write_bytes(data)
    read = read_once(path, size)
    path.write_bytes(b"another")
    assert read.data == data and read.sha256 == hashlib.sha256(data).hexdigest()


def test_the_limit_is_met_exactly(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_plain(path, 100) == b"x" * 100
    with pytest.raises(NotPlain) as error:
        read_plain(path, 99)
    assert error.value.found == "100 bytes" and error.value.expected == "a plain file of at most 99 bytes"


def other_things(folder: Path) -> dict[str, Path]:
    """Whatever a path can lead to that is no plain file."""
    made = {
        name: folder / name.replace(" ", "-")
        for name in ("directory", "pipe", "link to zero", "link to nowhere", "socket", "nothing")
    }
    made["directory"].mkdir()
    os.mkfifo(made["pipe"])
    made["link to zero"].symlink_to("/dev/zero")
    made["link to nowhere"].symlink_to("no-such-file")
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder)  # names of sockets are short
    listener.bind(made["socket"].name)
    os.chdir(here)
    listener.close()
    made["nul"] = folder / "a\0b"
    made["through a file"] = Path("/dev/null/x")
    return made


SAID = {
    "directory": "a directory",
    "pipe": "a named pipe",
    "link to zero": "a character device",
    "link to nowhere": "no such file: a symbolic link that leads nowhere",
    "socket": "a socket",
    "nothing": "no such file",
    "nul": "it cannot be opened: embedded null byte",
    "through a file": "it cannot be opened: Not a directory",
}


def test_whatever_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    things = other_things(tmp_path)
    assert things.keys() == SAID.keys()
    for name, path in things.items():
        with pytest.raises(ContractError) as error:
            read_once(path, 1000, "SHELL.TEST", "it cannot be used", "do this")
        told = error.value
        assert (told.code, told.found, told.where, told.do) == (
            "SHELL.TEST",
            SAID[name],
            str(path),
            "do this",
        )
        assert told.expected == "a plain file of at most 1,000 bytes"


def test_a_link_is_followed_unless_it_may_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link", 10) == b"here"
    with pytest.raises(NotPlain) as error:
        read_plain(tmp_path / "link", 10, follow=False)
    assert error.value.found == "a symbolic link"


@pytest.mark.parametrize("planted", ["pipe", "link to zero", "directory"])
def test_what_takes_a_files_place_between_look_and_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """The look before opening spares devices; the look through the descriptor is what decides."""
    path, other = tmp_path / "file", other_things(tmp_path)[planted]
    path.write_bytes(b"plain")
    opened = os.open

    def swapped(name: Path, flags: int, *rest: int) -> int:
        path.unlink()
        other.rename(path)
        return opened(name, flags, *rest)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(NotPlain) as error:
        open_plain(path, 1000)
    assert error.value.found == SAID[planted]


def test_a_file_that_grows_while_it_is_read_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    real = os.fstat

    def grows(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        with path.open("ab") as stream:
            stream.write(b"y" * 10)
        return status

    monkeypatch.setattr(os, "fstat", grows)  # called twice: 30 bytes lie there when reading begins
    assert read_plain(path, 30) == b"x" * 10 + b"y" * 20
    with pytest.raises(NotPlain) as error:
        read_plain(path, 40)
    assert error.value.found == "more than 40 bytes"


def test_a_file_whose_size_the_system_does_not_tell(tmp_path: Path) -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0 and read_plain(path, 100_000).startswith(b"Name:")
    with pytest.raises(NotPlain):
        read_plain(path, 100)


def test_no_descriptors_left_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")

    def none_left(*given: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", none_left)
    with pytest.raises(StorageError) as error:
        read_once(tmp_path / "file", 10)
    assert error.value.code == "SHELL.IO_READ_FAILED"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    for path in other_things(tmp_path).values():
        with pytest.raises(NotPlain):
            read_plain(path, 10)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_folder_is_listed_sorted_bounded_and_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("b/c", ".git/objects", "layer/dir.yaml"):
        (root / name).mkdir(parents=True)
    for name in ("z", "b/y", "b/c/x.yaml", ".git/objects/00", "layer/dir.yaml/in"):
        (root / name).touch()
    (root / "away").symlink_to("/")
    folder = Folder(root)
    assert folder.names == ("away", "b/c/x.yaml", "b/y", "layer/dir.yaml", "layer/dir.yaml/in", "z")
    assert folder.below("b/", ".yaml") == ("b/c/x.yaml",)
    seen = 10  # entries at present, the hidden one and three directories among them
    for number in range(MAX_ENTRIES - seen):
        (root / "b" / f"{number}").touch()
    assert len(Folder(root).names) == 6 + MAX_ENTRIES - seen
    (root / "one more").touch()
    with pytest.raises(ContractError) as error:
        _ = Folder(root, "SHELL.TEST").names
    assert (error.value.code, error.value.found, error.value.where) == (
        "SHELL.TEST",
        f"more than {MAX_ENTRIES:,} entries",
        str(root),
    )
    with pytest.raises(ContractError) as error:
        _ = Folder(tmp_path / "nothing").names
    assert error.value.found == "No such file or directory"


def test_a_file_of_a_folder_is_read_once_and_all_of_them_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"one")
    folder = Folder(tmp_path)
    assert folder.read("a", 10).data == b"one"
    (tmp_path / "a").write_bytes(b"two")
    assert folder.read("a", 10).data == b"one"
    monkeypatch.setattr("sim.ground.read_once.MAX_FOLDER_BYTES", 5)
    (tmp_path / "b").write_bytes(b"three")
    with pytest.raises(ContractError) as error:
        folder.read("b", 10)
    assert error.value.code == folder.code and error.value.found == "more than 5 bytes in its files"
    with pytest.raises(ContractError) as error:
        folder.read("c", 10)
    assert error.value.code != folder.code and error.value.found == "no such file"

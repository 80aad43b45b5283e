"""Real limits instead of injected ones: small file systems, read-only and foreign ones,
limits of file size and open files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runs.worlds import arguments, build, closedworld
from tests.runs.worlds import published as all_published
from tests.trust import mini

Run = Callable[..., mini.Done]
needs_mount = pytest.mark.skipif(
    os.geteuid() != 0
    or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="mounting a small file system needs root",
)


@contextlib.contextmanager
def mounted(path: Path, size: int, files: int | None = None) -> Iterator[Path]:
    """A tmpfs of `size` bytes and, if said, `files` inodes at `path`."""
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={size}" + (f",nr_inodes={files}" if files else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "closedworld-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


@needs_mount
@pytest.mark.promise(
    "P9",
    (
        "a really full disk: exit 7 with path, needed and free bytes; after space is freed the same run "
        "ends equal"
    ),
    faults="tmpfs of n KiB",
)
def test_a_small_disk_fills_up(
    run: Run, ram: Path, plain_tree: dict[str, bytes], record_property: Callable[..., None]
) -> None:
    refused, told = 0, 0
    for kib in (*range(4, 124, 8), 256):
        with mounted(ram / f"disk{kib}", kib << 10) as disk:
            done = run(disk)
            found = mini.subset(disk, plain_tree)
            if done.code == 0:
                assert found == plain_tree and kib > 60
                continue
            refused += 1
            assert done.code == 7 and "ENOSPC" in str(done.error["found"]), done
            assert str(disk) in str(done.error["where"]) and "bytes free" in str(done.error["found"])
            told += mini.SPACE.search(str(done.error["found"])) is not None
            again = run(disk)  # still full: refused again, nothing lost
            assert again.code == 7 and mini.subset(disk, plain_tree).items() >= found.items()
            remount(disk, "size=16m")
            assert run(disk).code == 0
            assert mini.tree(mini.run_dir(disk)) == plain_tree, kib
    assert refused >= 8 and told >= 4, (refused, told)
    record_property("cases", refused)


@needs_mount
@pytest.mark.slow
@pytest.mark.promise(
    "P9",
    "the whole engine on a disk that fills up: passed segments stay, the rest follows",
    faults="tmpfs of two thirds of the world",
    cases=1,
)
def test_the_whole_engine_on_a_small_disk(ram: Path) -> None:
    plain = build("tiny", ram / "plain")
    # The last segment, 6A, is more than half of this world: it is what finds no room.
    room = sum(-(-file.stat().st_size // 4096) * 4096 for file in plain.rglob("*") if file.is_file()) * 2 // 3
    with mounted(ram / "disk", room) as disk:
        done = closedworld(*arguments("tiny", disk), check=False)
        error = json.loads(done.stdout)["error"]
        assert done.returncode == error["exit_code"] == 7 and "Traceback" not in done.stderr, done.stderr[
            -2000:
        ]
        assert mini.SPACE.search(error["found"]) and str(disk) in error["where"], error
        half, whole = all_published(disk / plain.name), all_published(plain)
        assert half.items() < whole.items() and "gates/5B/_passed.flag" in half
        remount(disk, "size=64m")
        assert all_published(build("tiny", disk)) == whole
        shutil.rmtree(disk / plain.name)


@needs_mount
@pytest.mark.promise(
    "P9",
    "a disk that is clearly too small refuses before anything starts, with needed and free bytes",
    faults="tmpfs of 1 MiB",
)
def test_preflight(ram: Path) -> None:
    with mounted(ram / "disk", 1 << 20) as disk:
        done = closedworld(*arguments("tiny", disk / "runs"), check=False)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"], error["where"]) == (7, "SHELL.DISK_TOO_SMALL", str(disk))
        free, needed = (
            int(error[key].split(" bytes")[0].removeprefix("about ").replace(",", ""))
            for key in ("found", "expected")
        )
        assert free <= 1 << 20 < needed // 2 < 20 << 20
        assert list(disk.iterdir()) == []


@needs_mount
@pytest.mark.promise(
    "P9",
    "out of inodes is said as such, not as lack of bytes; with more of them the same run ends equal",
    faults="tmpfs of n inodes",
)
def test_out_of_files(run: Run, ram: Path, plain_tree: dict[str, bytes]) -> None:
    refused = 0
    for files in (8, 12, 20, 30, 200):
        with mounted(ram / f"disk{files}", 1 << 24, files) as disk:
            done = run(disk)
            if done.code == 0:
                assert mini.tree(mini.run_dir(disk)) == plain_tree
                continue
            refused += 1
            mini.subset(disk, plain_tree)
            told = f"{done.error['found']} {done.error['do']}"
            assert done.code == 7 and "(inode" in told and "remove files" in told, done
            remount(disk, "nr_inodes=1000")
            assert run(disk).code == 0
            assert mini.tree(mini.run_dir(disk)) == plain_tree, files
    assert 2 <= refused <= 4, refused


@needs_mount
@pytest.mark.promise(
    "P9",
    "too few inodes for the datasets of a world are told before anything starts",
    faults="tmpfs of 60 inodes",
)
def test_preflight_counts_files(ram: Path) -> None:
    with mounted(ram / "disk", 1 << 28, 60) as disk:
        done = closedworld(*arguments("tiny", disk / "runs"), check=False)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (
            7,
            "SHELL.DISK_TOO_SMALL",
        ) and "files (inodes) free" in error["found"]
        assert list(disk.iterdir()) == []


@needs_mount
@pytest.mark.promise(
    "P12",
    "a read-only directory, and staging on another device: exit 7, one line, then fine",
    faults="remount ro, EXDEV",
    cases=2,
)
def test_read_only_and_other_device(
    run: Run, mini_root: Path, ram: Path, plain_tree: dict[str, bytes]
) -> None:
    with mounted(ram / "disk", 1 << 24) as disk:
        remount(disk, "ro")
        done = run(disk)
        assert (
            done.code == 7 and "EROFS" in str(done.error["found"]) and str(disk) in str(done.error["where"])
        )
        remount(disk, "rw")
        place = disk / mini.miniworld.prepared(mini_root).run_id
        with mounted(place / "staging", 1 << 22):
            done = run(disk)
            assert (
                done.code == 7
                and "EXDEV" in str(done.error["found"])
                and str(disk) in str(done.error["where"])
            ), done
            assert mini.subset(disk, plain_tree) == {}
        assert run(disk).code == 0
        assert mini.tree(mini.run_dir(disk)) == plain_tree


@pytest.mark.promise(
    "P9",
    "a limit of file size is told like a full disk: EFBIG, exit 7, then resumed",
    faults="RLIMIT_FSIZE, SIGXFSZ ignored",
    cases=4,
)
def test_limit_of_file_size(
    child: Callable[..., mini.Child], ram: Path, run: Run, plain_tree: dict[str, bytes]
) -> None:
    for size in (1, 700, 1500, 3000):
        done = child(ram / str(size), before=mini.limited("FSIZE", size)).ended()
        assert done.code == 7 and "EFBIG" in str(done.error["found"]), done
        assert mini.SPACE.search(str(done.error["found"])) or size == 1, done.error
        mini.subset(ram / str(size), plain_tree)
        assert run(ram / str(size)).code == 0
        assert mini.tree(mini.run_dir(ram / str(size))) == plain_tree


@pytest.mark.promise(
    "P12",
    "no file descriptors left: exit 7 with one clear line, then fine",
    faults="RLIMIT_NOFILE of 0..7 beyond those open",
    cases=8,
)
def test_limit_of_open_files(
    child: Callable[..., mini.Child], ram: Path, run: Run, plain_tree: dict[str, bytes]
) -> None:
    codes = []
    for spare in range(8):
        done = child(ram / str(spare), before=mini.limited("NOFILE", spare)).ended()
        codes.append(done.code)
        if done.code:
            # Where the contracts are what cannot be read it is exit 3, and the reason is told.
            assert done.code in (7, 3) and "Too many open files" in json.dumps(done.error), (spare, done)
        mini.subset(ram / str(spare), plain_tree)
        assert run(ram / str(spare)).code == 0
        assert mini.tree(mini.run_dir(ram / str(spare))) == plain_tree
    assert codes[0] and 7 in codes and codes[-1] == 0, codes


def test_sources_of_python_ignore_sigxfsz() -> None:
    """What makes EFBIG an error instead of a death: Python ignores the signal."""
    code = "import signal; print(signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "True"
    )

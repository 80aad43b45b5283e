"""Somebody else's run directory: verifying it is safe, bounded, and reads nothing outside of it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.ground.errors import SimError
from sim.ground.identity import pretty_json, sha256_file
from sim.shell.publish.bundle import encode_flag
from sim.shell.runs.opened import open_run
from sim.shell.runs.status import list_runs, run_status
from sim.shell.runs.verify import verify_run
from tests.trust import mini
from tests.work import PATIENCE_S

AUDITED = """
import json, os, sys, time
from pathlib import Path
# ru_maxrss would begin with what the test process held when it started this one
from sim.executors.resident import peak
from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from sim.ground.errors import SimError
from sim.shell.runs.opened import open_run
from sim.shell.runs.status import run_status, state_rows
from sim.shell.runs.verify import verify_run
good, codes = Path(sys.argv[1]), ("1A", "1B")
contracts = load_contracts(contracts_root())  # the verifier's own, read before a run is looked at
looks = {
    "verify": lambda run: verify_run(run, codes, contracts=contracts).problems,
    "open": lambda run: open_run(run, codes) and (),
    "status": lambda run: (run_status(run, codes).note,),
    "states": lambda run: state_rows(run, codes) and (),
}
for look in looks.values():
    look(good)  # whatever Python loads when first used
opened, watching = [], [True]
WATCHED = {"open", "os.listdir", "os.scandir", "socket.connect", "subprocess.Popen", "os.exec"}
def hook(event, args):
    if watching[0] and event in WATCHED:
        if not isinstance(args[0], int):
            path = os.fsdecode(args[0])
            last = event == "open" and args[2] & os.O_NOFOLLOW  # the kernel refuses a link there
            folder = os.path.realpath(os.path.dirname(path))
            opened.append(os.path.join(folder, os.path.basename(path)) if last else os.path.realpath(path))
sys.addaudithook(hook)
for run in sys.argv[2:]:
    opened.clear()
    watching[0], said = True, {}
    for name, look in looks.items():
        try:
            code, problems = 0, list(look(Path(run)))[:50]
        except SimError as error:
            code, problems = error.exit_code, [error.render()]
        said[name] = [code, problems]
    watching[0] = False
    print(json.dumps({"said": said, "opened": opened, "peak": peak() // 1024}))
"""


def audited(good: Path, *runs: Path) -> list[dict[str, Any]]:
    """Verify, open and describe runs in a process that notes every file opened and directory listed
    meanwhile.
    """
    command = [sys.executable, "-c", AUDITED, str(good), *map(str, runs)]
    env = {**os.environ, "PYTHONPATH": str(mini.ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def reseal(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Forge 1A's index and flag so that they agree."""
    path = run / "gates/1A/index.json"
    document = json.loads(path.read_text())
    edit(document)
    data = pretty_json(document)
    path.write_bytes(data)
    path.with_name("_passed.flag").write_bytes(encode_flag("1A", data))


def item(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["datasets"][0]
    return found


def link(path: Path, target: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    path.symlink_to(target)


def steal(run: Path, secret: Path) -> None:
    """The data directory is a link to somebody's files, and the index lists them by name."""
    link(run / item(json.loads((run / "gates/1A/index.json").read_text()))["path"], secret)
    part = {
        "name": "id_rsa",
        "bytes": 6,
        "rows": 1,
        "file_sha256": "0" * 64,
        "content_blake3": "0" * 64,
        "keys": {},
    }
    reseal(run, lambda document: item(document).update(files=[part]))


def steal_documents(run: Path, secret: Path) -> None:
    shutil.rmtree(run / "gates/1A/states")
    (run / "gates/1A/states").symlink_to(secret)
    reseal(run, lambda document: document["documents"].update({"states/id_rsa": "0" * 64}))


CASES: dict[str, Callable[[Path, Path], object]] = {
    "data directory linked away": steal,
    "documents linked away": steal_documents,
    "data linked away": lambda run, secret: link(run / "data", secret),
    "gates linked away": lambda run, secret: link(run / "gates", secret),
    "segment linked away": lambda run, secret: link(run / "gates/1A", secret),
    "flag linked": lambda run, secret: link(run / "gates/1A/_passed.flag", secret / "id_rsa"),
    "index linked": lambda run, secret: link(run / "gates/1A/index.json", secret / "id_rsa"),
    "receipt linked": lambda run, secret: link(run / "run_receipt.json", secret / "id_rsa"),
    "seal linked": lambda run, secret: link(run / "gates/1A/sealed_inputs_1A.json", secret / "id_rsa"),
    "lock linked": lambda run, secret: (
        (run / ".lock").unlink(missing_ok=True) or (run / ".lock").symlink_to(secret / "id_rsa")
    ),
    "reports linked": lambda run, secret: link(run / "reports", secret),
    "parent path": lambda run, secret: reseal(
        run, lambda document: item(document).update(path=f"data/../../{secret.name}/seed=42")
    ),
    "absolute path": lambda run, secret: reseal(
        run, lambda document: item(document).update(path=str(secret))
    ),
    "absolute document": lambda run, secret: reseal(
        run, lambda document: document["documents"].update({str(secret / "id_rsa"): "0" * 64})
    ),
    "parent document": lambda run, secret: reseal(
        run, lambda document: document["documents"].update({f"../../../{secret.name}/id_rsa": ""})
    ),
    "nul": lambda run, secret: reseal(run, lambda document: item(document)["files"][0].update(name="a\0b")),
    "parent segment": lambda run, secret: reseal(
        run, lambda document: document["parents"].update({f"../../{secret.name}": "0" * 64})
    ),
    "fifo receipt": lambda run, secret: (
        (run / "run_receipt.json").unlink() or os.mkfifo(run / "run_receipt.json")
    ),
    "no receipt": lambda run, secret: (run / "run_receipt.json").unlink(),
    "fifo index": lambda run, secret: (
        (run / "gates/1A/index.json").unlink() or os.mkfifo(run / "gates/1A/index.json")
    ),
    "fifo among data": lambda run, secret: os.mkfifo(run / "data/pipe"),
    "fifo lock": lambda run, secret: (run / ".lock").unlink(missing_ok=True) or os.mkfifo(run / ".lock"),
    "device": lambda run, secret: (
        os.mknod(run / "data/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        if os.geteuid() == 0
        else link(run / "data", secret)
    ),
    "link loop": lambda run, secret: (
        (run / "data/a").symlink_to(run / "data/b") or (run / "data/b").symlink_to(run / "data/a")
    ),
    "link to the root": lambda run, secret: (run / "data/layer1/root").symlink_to("/"),
    "huge receipt": lambda run, secret: os.truncate(run / "run_receipt.json", 1 << 40),
    "huge index": lambda run, secret: os.truncate(run / "gates/1A/index.json", 1 << 40),
    "huge data file": lambda run, secret: os.truncate(
        next((run / "data").rglob("part-00000.parquet")), 1 << 40
    ),
    "huge flag": lambda run, secret: os.truncate(run / "gates/1A/_passed.flag", 1 << 36),
    "deep JSON": lambda run, secret: (run / "run_receipt.json").write_bytes(b'{"a":' * 200_000),
    "deep folders": lambda run, secret: deep(run / "data/deep", 900),
}


def device(path: Path) -> None:
    """An endless device among the data, or a pipe where only root makes devices."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)) if os.geteuid() == 0 else os.mkfifo(path)


def deep(path: Path, levels: int) -> None:
    """Directories in directories, deeper than a path may be long."""
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=fd)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def prepared(plain: Path, folder: Path, case: str) -> tuple[Path, Path]:
    """A copy of the good run with one hostile thing done, and the secret beside it."""
    run, secret = folder / "run", folder / "secret"
    shutil.copytree(plain, run)
    for path in run.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    secret.mkdir()
    (secret / "id_rsa").write_text("SECRET")
    for name in ("gates/1A/_passed.flag", "gates/1A/index.json", "run_receipt.json"):
        shutil.copy(run / name, secret)
    CASES[case](run, secret)
    return run, secret


def safe(case: str, run: Path, secret: Path, answer: dict[str, Any]) -> None:
    """Refused by name, nothing read outside, bounded."""
    base, text = str(run.resolve()), json.dumps(answer["said"])
    outside = [path for path in answer["opened"] if not (path == base or path.startswith(base + "/"))]
    assert not outside and answer["opened"], (case, outside)
    assert "SECRET" not in text and sha256_file(secret / "id_rsa") not in text, case
    assert answer["peak"] < 1_500_000, (case, answer["peak"])
    code, problems = answer["said"]["verify"]
    if case in ("lock linked", "reports linked", "fifo lock"):
        assert (code, problems) == (0, []), case
    else:
        assert code in (0, 5) and any(str(run) in problem or "gates/" in problem for problem in problems), (
            case,
            answer["said"],
        )


@pytest.mark.promise(
    "P27",
    "a hostile run directory is refused by name; nothing outside of it is read; time and memory are bounded",
    faults="links, .., absolute paths, NUL, FIFO, devices, huge and deep files",
    cases=len(CASES),
)
def test_hostile_run_directories(plain: Path, ram: Path) -> None:
    places = {
        case: prepared(plain, ram / str(number), case)
        for number, case in enumerate(CASES)
        if not (ram / str(number)).mkdir()
    }
    answers = audited(plain, *(run for run, _ in places.values()))
    for (case, (run, secret)), answer in zip(places.items(), answers, strict=True):
        safe(case, run, secret, answer)


@pytest.mark.slow
@pytest.mark.promise(
    "P27", "sixty megabytes of JSON are refused in bounded time and memory", faults="a huge receipt"
)
def test_much_json(plain: Path, ram: Path) -> None:
    run, secret = prepared(plain, ram, "no receipt")
    (run / "run_receipt.json").write_bytes(b'{"a":[' + b"0," * (30 << 20) + b"0]}")
    safe("much json", run, secret, audited(plain, run)[0])


def crowd(run: Path, entries: int) -> None:
    """Fill what verification walks with empty files."""
    folder = run / "data/layer1/1A"
    fd = os.open(folder, os.O_RDONLY)
    for number in range(entries):
        os.close(os.open(f"x{number:07d}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


@pytest.mark.parametrize("entries", [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.promise(
    "P27",
    "a crowd of entries is counted, not printed: bounded time and memory",
    faults="10^4 (slow tier: 10^6) extra entries",
)
def test_a_crowded_run_directory(cli, copy: Path, entries: int) -> None:  # type: ignore[no-untyped-def]
    crowd(copy, entries)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = cli("verify", copy)
    assert answer.code == 5 and answer.err.startswith(f"SHELL.RUN_NOT_AS_PUBLISHED  {entries} thing(s)")
    assert len(answer.err) < 2500 and answer.err.count(" of ") == 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000 + entries


@pytest.mark.promise(
    "P27", "a run on a read-only file system is verified, opened and queried", faults="remount ro"
)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_run(plain: Path, ram: Path) -> None:
    place = ram / "read only"
    place.mkdir()
    subprocess.run(["mount", "--bind", str(plain), str(place)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        assert verify_run(place, mini.CODES).problems == ()
        assert list(open_run(place, mini.CODES).bundles) == ["1A", "1B"]
        assert run_status(place, mini.CODES).state == "complete"
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.promise(
    "P27", "a directory full of damaged runs is listed, each by its name", faults="damaged receipts", cases=5
)
def test_a_directory_of_damaged_runs(copy: Path) -> None:
    for number, data in enumerate((b"", b"{}", b"\0" * 100, b'{"format": "run-receipt-v2"}', b"[" * 10_000)):
        shutil.copytree(copy, copy.parent / f"damaged{number}")
        (copy.parent / f"damaged{number}/run_receipt.json").write_bytes(data)
    listed = {status.run_id: status for status in list_runs(copy.parent, mini.CODES)}
    assert sorted(name for name, status in listed.items() if status.state == "damaged") == [
        f"damaged{number}" for number in range(5)
    ]
    assert all(status.note for status in listed.values() if status.state == "damaged")
    with pytest.raises(SimError):
        open_run(copy.parent / "damaged0", mini.CODES)

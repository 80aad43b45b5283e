"""Ctrl-C and SIGTERM at any moment: stopped, exit 130 or 143,
resumable. Old runs are read or refused by name.
"""

from __future__ import annotations

import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.ground.errors import GateError
from sim.ground.identity import manifest_fingerprint, pretty_json, run_id
from sim.shell.runs.opened import open_run
from sim.shell.runs.status import list_runs
from sim.shell.runs.verify import verify_run
from tests.runs.worlds import ROOT, arguments, build, published
from tests.trust import mini
from tests.work import PATIENCE_S

Start = Callable[..., mini.Child]
Run = Callable[..., mini.Done]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def stopped(
    child: Start, run: Run, out: Path, plain: dict[str, bytes], number: int, call: str, signum: signal.Signals
) -> None:
    """A signal at the n-th call of one kind; then the same command goes on."""

    def before() -> None:
        real, left = getattr(os, call), [number]

        def counted(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signum)
            return real(*args, **kwargs)

        setattr(os, call, counted)

    done = child(out, before=before).ended()
    assert done.code == CODES[signum], (number, call, signum, done)
    assert "run the same command again to go on" in done.err
    mini.subset(out, plain)
    assert run(out).code == 0
    assert mini.tree(mini.run_dir(out)) == plain, (number, call, signum)


P24 = "SIGINT and SIGTERM at any moment: stopped, exit 130 or 143, and the same command ends equal"


@pytest.mark.promise("P24", P24, faults="SIGINT, SIGTERM at random calls, printed seed", cases=16)
def test_signals_at_random_calls(
    child: Start, run: Run, ram: Path, plain_tree: dict[str, bytes], calls: dict[str, int]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(16):
        call = rng.choice(("write", "fsync", "mkdir", "open"))
        stopped(
            child,
            run,
            ram / str(number),
            plain_tree,
            rng.randint(1, calls[call]),
            call,
            (signal.SIGINT, signal.SIGTERM)[number % 2],
        )


@pytest.mark.slow
@pytest.mark.promise("P24", P24, faults="SIGINT, SIGTERM at every write and fsync")
def test_signals_at_every_call(
    child: Start,
    run: Run,
    ram: Path,
    plain_tree: dict[str, bytes],
    calls: dict[str, int],
    record_property: Callable[..., None],
) -> None:
    moments = [(call, number) for call in ("write", "fsync") for number in range(1, calls[call] + 1)]
    for place, (call, number) in enumerate(moments):
        stopped(
            child,
            run,
            ram / f"{call}{number}",
            plain_tree,
            number,
            call,
            (signal.SIGINT, signal.SIGTERM)[place % 2],
        )
    record_property("cases", len(moments))


@pytest.mark.slow
@pytest.mark.promise(
    "P24",
    P24,
    faults="SIGINT, SIGTERM at random times of a whole run from its first instant, printed seed",
    cases=10,
)
def test_signals_at_random_times(ram: Path) -> None:
    plain = build("tiny", ram / "plain")
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(10):
        signum = (signal.SIGINT, signal.SIGTERM)[number % 2]
        command = [sys.executable, "-m", "sim", *arguments("tiny", ram / "out")]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(0.8 + rng.random() * (2 + number))
        process.send_signal(signum)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode in (0, CODES[signum]) and "Traceback" not in err, (
            process.returncode,
            err[-2000:],
        )
    assert published(build("tiny", ram / "out")) == published(plain)


def waits(marker: Path) -> Any:
    """Segments whose second partition computes on after the first signal."""

    def compute(ctx: Any, part: Any) -> Any:
        if part.index == 1:
            marker.touch()
            for _ in range(20_000):  # a native call that comes back often, on a worker thread
                time.sleep(0.05)
        return mini.miniworld.compute_items(ctx, part)

    return mini.miniworld.segments(compute_items=compute)


@pytest.mark.promise(
    "P24",
    "a second Ctrl-C, from a terminal, ends the process at once; nothing is lost",
    faults="two SIGINT on a pty",
)
def test_a_second_interrupt(
    child: Start, run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, follower = pty.openpty()

    def before() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(follower, termios.TIOCSCTTY, 0)

    with monkeypatch.context() as patch:
        patch.setattr("sim.model.MODEL", mini.miniworld.model(waits(ram / "waiting")))
        process = child(ram / "out", "--workers", "2", before=before)
    mini.wait_for(ram / "waiting", process)
    os.write(leader, b"\x03")  # the terminal turns it into SIGINT
    time.sleep(0.3)
    assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, (
        "waits for its partitions to rest"
    )
    os.write(leader, b"\x03")
    assert process.ended().code == -signal.SIGINT
    os.close(leader)
    os.close(follower)
    assert run(ram / "out").code == 0
    assert mini.tree(mini.run_dir(ram / "out")) == plain_tree


P25 = "a run of another format or model version is read, or refused by the name of what differs"


@pytest.mark.parametrize(
    "version", ["run-receipt-v0", "run-receipt-v9", "bundle-v1", "bundle-v9", "state-v0", "sealed-inputs-v0"]
)
@pytest.mark.promise("P25", P25, faults="older and newer formats")
def test_another_format_is_refused_by_name(cli, copy: Path, run: Run, version: str) -> None:  # type: ignore[no-untyped-def]
    kind, files = (
        version[:-3],
        {
            "run-receipt": "run_receipt.json",
            "bundle": "gates/1A/index.json",
            "state": "gates/1A/states/1A.S1.json",
        },
    )
    path = copy / files.get(kind, "gates/1A/sealed_inputs_1A.json")
    document = json.loads(path.read_text())
    known = document["format"]
    path.write_bytes(pretty_json({**document, "format": version}))
    answer = cli("verify", copy)
    assert answer.code == 5, answer
    assert path.name in answer.err and (
        kind == "bundle" or kind == "state" or (version in answer.err and known in answer.err)
    ), answer.err
    if kind == "bundle":  # its flag says the same version, as that version wrote it
        flag = copy / "gates/1A/_passed.flag"
        flag.write_bytes(flag.read_bytes().replace(known.encode(), version.encode()))
        answer = cli("verify", copy)
        assert (
            answer.code == 5
            and version in answer.err
            and known in answer.err
            and "_passed.flag" in answer.err
        ), answer.err


@pytest.mark.promise(
    "P25", "a run of another model version is read and verified, and never resumed by this one", cases=2
)
def test_another_model_version(copy: Path, mini_root: Path) -> None:
    """The model version is part of the fingerprint, so its runs have other names;
    reading needs only the format.
    """
    receipt = json.loads((copy / "run_receipt.json").read_text())
    for version in ("0", "2"):
        receipt["model_version"] = version
        receipt["manifest_fingerprint"] = manifest_fingerprint(
            "0" * 64, receipt["parameter_hash"], {"model": version}
        )
        receipt["run_id"] = run_id(receipt["manifest_fingerprint"], receipt["seed"], receipt["scenarios"])
        other = copy.parent / receipt["run_id"]
        other.mkdir()
        (other / "run_receipt.json").write_bytes(pretty_json(receipt))
        assert verify_run(other, mini.CODES).problems == ()
        assert open_run(other, mini.CODES).receipt["model_version"] == version
        assert mini.miniworld.prepared(mini_root).run_id != receipt["run_id"]
    listed = list_runs(copy.parent, mini.CODES)
    assert len([status for status in listed if status.state == "partial"]) == 2


@pytest.mark.promise(
    "P25",
    "a directory that holds another request's receipt is not gone on with",
    faults="a foreign, a damaged, an old receipt",
    cases=3,
)
def test_a_foreign_receipt_stops_the_run(run: Run, plain: Path, ram: Path) -> None:
    receipt = json.loads((plain / "run_receipt.json").read_text())
    for number, change in enumerate(({"seed": 43}, {"format": "run-receipt-v0"}, {"parameters": {}})):
        out = ram / str(number)
        shutil.copytree(plain, out / plain.name)
        path = out / plain.name / "run_receipt.json"
        path.unlink()
        path.write_bytes(pretty_json({**receipt, **change}))
        done = run(out)
        assert done.code == 5 and "run_receipt.json" in json.dumps(done.error), done
        with pytest.raises(GateError):
            open_run(path.parent, mini.CODES)

"""Disks fill, quotas end, devices fail: exit 7 and one clear answer, nothing half-published, and running
again finishes the world.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trust import mini
from tests.trust.faults import CALLS, SPACE_CODES, Fault, path_of

Run = Callable[..., mini.Done]
CODES = {
    "write": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "mkdir": (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES),
    "open": (errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EACCES, errno.ENOSPC),
    "close": (errno.EIO,),
    "replace": (errno.EXDEV, errno.EIO, errno.EROFS),
    "unlink": (errno.EACCES, errno.EROFS),
    "ftruncate": (errno.EIO, errno.EROFS),
    "pwrite": (errno.ENOSPC, errno.EIO),
}


def calls_of(run: Run, out: Path, call: str) -> int:
    """How often an undisturbed run makes a call."""
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(str(out), call, 0, 10**9)
        fault.install(patch)
        assert run(out).code == 0
    return fault.seen


def survive(
    run: Run, out: Path, plain: dict[str, bytes], call: str, code: int, number: int, lasting: bool
) -> bool:
    """One run with one fault, then one without; False if the fault met nothing."""
    note = (call, errno.errorcode[code], number, "lasting" if lasting else "once")
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(str(out), call, code, number, lasting)
        fault.install(patch)
        done = run(out)
    assert set(fault.failed).isdisjoint(fault.after) or call != "fsync", f"fsync tried again: {note}"
    found = mini.subset(out, plain)
    if done.code:
        error = done.error
        assert done.code == 7, (note, done)
        text = f"{error['found']} {error['where']}"
        assert errno.errorcode[code] in text and str(out) in text and error["do"], (note, error)
        if call == "write" and code in SPACE_CODES:
            needed, free = (
                int(figure.replace(",", "")) for figure in mini.SPACE.search(str(error["found"])).groups()
            )  # type: ignore[union-attr]
            assert needed > 0 and free > 0, note
    else:  # what failed was not part of the world: a look, a clean-up
        assert found == plain, note
    assert run(out).code == 0, note
    assert mini.tree(mini.run_dir(out)) == plain, note
    shutil.rmtree(out)
    return fault.hits > 0


def places(run: Run, ram: Path) -> list[tuple[str, int, int, bool]]:
    """Every (call, code, number, lasting) there is."""
    with pytest.MonkeyPatch.context() as patch:
        counts = {call: Fault(str(ram), call, 0, 10**9) for call in CALLS}
        for fault in counts.values():
            fault.install(patch)
        assert run(ram / "count").code == 0
    shutil.rmtree(ram / "count")
    return [
        (call, code, number, lasting)
        for call, fault in counts.items()
        for code in CODES[call]
        for number in range(1, fault.seen + 1)
        for lasting in (False, True)
    ]


P10 = "a failed write, fsync or close is told once and never tried again"
P11 = "a write that lies is read back and not published; running again finishes equal"
P12 = "no more files, no rights, read-only, other device: one clear line"
P13 = "out of memory: exit 7 naming the partition and what would help, nothing published"
P9 = (
    "disk full or quota at the n-th call: exit 7 with path, needed and free bytes, nothing half-published, "
    "running again finishes equal"
)


@pytest.mark.promise(
    "P9", P9, faults="ENOSPC, EDQUOT, EFBIG at sampled write, fsync, mkdir, pwrite", cases=40
)
@pytest.mark.promise("P10", P10, faults="EIO at sampled write, fsync, close")
@pytest.mark.promise("P12", P12, faults="EMFILE, ENFILE, EACCES, EROFS, EXDEV")
def test_a_failing_call_anywhere(
    run: Run, ram: Path, plain_tree: dict[str, bytes], record_property: Callable[..., None]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    every = places(run, ram)
    chosen = random.Random(seed).sample(every, 40)
    hits = sum(survive(run, ram / f"out{number}", plain_tree, *place) for number, place in enumerate(chosen))
    assert len(chosen) - hits < 5  # a call or two fewer than were counted may be made
    record_property("cases", hits)


@pytest.mark.slow
@pytest.mark.promise(
    "P9", P9, faults="ENOSPC, EDQUOT, EFBIG at every write, fsync, mkdir, pwrite, once and lasting"
)
@pytest.mark.promise("P10", P10, faults="EIO at every write, fsync, close")
@pytest.mark.promise("P12", P12, faults="every open, mkdir, rename, unlink")
def test_every_call_failing(
    run: Run, ram: Path, plain_tree: dict[str, bytes], record_property: Callable[..., None]
) -> None:
    every: dict[tuple[str, int], list[tuple[str, int, int, bool]]] = {}
    for place in places(run, ram):
        every.setdefault((place[0], place[2]), []).append(place)
    # Each call fails once; with which code, and whether for good, goes round so that neighbours differ.
    chosen = [options[(7 * number) % len(options)] for number, options in enumerate(every.values())]
    hits = sum(survive(run, ram / f"out{number}", plain_tree, *place) for number, place in enumerate(chosen))
    assert hits > 300 and len(chosen) - hits < 5  # a call or two fewer than were counted may be made
    record_property("cases", hits)


@pytest.mark.promise(
    "P12",
    "short writes are completed: the same bytes are published",
    faults="every write takes 1..k bytes only",
    cases=3,
)
def test_short_writes(
    run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    for seed in (1, 2, 3):
        rng = random.Random(seed)
        with pytest.MonkeyPatch.context() as patch:
            below = str(ram)

            def write(fd: int, data: bytes, rng: random.Random = rng, below: str = below) -> int:
                return real(fd, bytes(data[: rng.randint(1, 700)]) if path_of(fd).startswith(below) else data)

            patch.setattr(os, "write", write)
            assert run(ram / str(seed)).code == 0
        assert mini.tree(mini.run_dir(ram / str(seed))) == plain_tree


def lies(run: Run, out: Path, plain: dict[str, bytes], number: int) -> bool:
    """The n-th write stores zeros and says all is well."""
    real, left = os.write, [number]

    def write(fd: int, data: bytes) -> int:
        if path_of(fd).startswith(str(out)):
            left[0] -= 1
            if left[0] == 0:
                return real(fd, bytes(len(data)))
        return real(fd, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", write)
        done = run(out)
    mini.subset(out, plain)
    if done.code:
        assert (done.code, done.error["code"]) == (7, "SHELL.READ_BACK_MISMATCH"), (number, done)
        assert re.fullmatch(r"[0-9a-f]{64}", str(done.error["found"])) and str(out) in str(
            done.error["where"]
        )
    assert run(out).code == 0, number
    assert mini.tree(mini.run_dir(out)) == plain, number
    return done.code != 0


@pytest.mark.promise("P11", P11, faults="the n-th write stores zeros")
def test_a_lying_write_anywhere(
    run: Run, ram: Path, plain_tree: dict[str, bytes], record_property: Callable[..., None]
) -> None:
    writes = calls_of(run, ram / "count", "write")
    caught = sum(lies(run, ram / f"lie{number}", plain_tree, number) for number in range(1, writes + 1))
    # Five part files, two state manifests, four seals and receipts, two indexes, two flags, the run receipt
    # and report are read back.
    assert caught >= 17
    record_property("cases", writes)


@pytest.mark.promise(
    "P11",
    "a run report that reads back differently is not published; the world it tells of is",
    faults="zeros for a report",
)
def test_a_lying_write_of_a_run_report(
    run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def write(fd: int, data: bytes) -> int:
        report = bytes(data[:4]) == b"PAR1" and Path(path_of(fd)).parent.name == "staging"
        return real(fd, bytes(len(data)) if report else data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        done = run(ram)
    assert (done.code, done.error["code"]) == (7, "SHELL.READ_BACK_MISMATCH") and "part-00000.parquet" in str(
        done.error["where"]
    )
    at = mini.run_dir(ram)
    assert mini.tree(at) == plain_tree and not list(at.glob("reports/*/*/*.parquet"))
    assert run(ram).code == 0
    (report,) = at.glob("reports/*/*/*.parquet")
    assert report.read_bytes().startswith(b"PAR1") and report.stat().st_mode & 0o777 == 0o444


@pytest.mark.promise("P13", P13, faults="MemoryError", cases=4)
def test_out_of_memory(
    run: Run, ram: Path, plain_tree: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def starves(index: int) -> Callable[..., object]:
        def compute(ctx, part):  # type: ignore[no-untyped-def]
            if part.index == index:
                raise MemoryError("Unable to allocate 8.00 TiB")
            return mini.miniworld.compute_items(ctx, part)

        return compute

    for index in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "sim.model.MODEL", mini.miniworld.model(mini.miniworld.segments(compute_items=starves(index)))
            )
            done = run(ram / str(index), "--workers", "4")
        assert (done.code, done.error["code"]) == (7, "SHELL.OUT_OF_MEMORY")
        assert f"partition {index:05d}" in str(done.error["what"]) and "1A.S1" in str(done.error["what"]), (
            done.error
        )
        assert str(done.error["do"]).startswith(
            "run again in more memory; it ran alone, so fewer --workers do not help"
        )
        assert done.error["found"] == "Unable to allocate 8.00 TiB"
        assert not [name for name in mini.subset(ram / str(index), plain_tree) if name.startswith("data/")]
        assert run(ram / str(index)).code == 0
        assert mini.tree(mini.run_dir(ram / str(index))) == plain_tree

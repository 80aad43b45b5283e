"""Whole worlds under `--memory-limit`, in fresh processes that the kernel gives no more data than that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runs.worlds import ROOT, arguments, content_digests

GOLDEN = [line.split("\t") for line in (ROOT / "tests/golden/digests.tsv").read_text().splitlines()[1:]]
MIB = 1 << 20
P17 = "the same digests under a memory limit, which is never passed"


def build(world: str, out: Path, limit: int, workers: int) -> tuple[dict[str, int], Path, int]:
    """What a run said of its memory, its run directory, and the highest resident memory seen from outside.

    The limit is given twice: to the engine, and to the kernel as RLIMIT_DATA (private writable memory,
    touched or not).
    """
    command = [
        sys.executable,
        "-m",
        "sim",
        *arguments(world, out),
        "--workers",
        str(workers),
        "--memory-limit",
        f"{limit}MiB",
    ]
    with (out / "answer").open("w") as answer, (out / "errors").open("w") as errors:
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -d {limit * 1024} && exec "$@"', "sh", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=errors,
        )
        seen = 0
        while process.poll() is None:
            seen = max(seen, resident(process.pid))
            time.sleep(0.002)
    assert process.returncode == 0, (out / "answer").read_text() + (out / "errors").read_text()
    told = json.loads((out / "answer").read_text())
    return told["memory"], Path(told["run_dir"]), seen


def resident(pid: int) -> int:
    """High-water mark of a process, which it may reset meanwhile; 0 once it is gone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="--memory-limit needs Linux")
@pytest.mark.promise("P17", P17, faults="RLIMIT_DATA", cases=3)
@pytest.mark.parametrize(
    ("world", "limit", "workers"),
    [
        ("tiny-stress-900", 512, 4),
        # A partition of 6B holds the payments of a range, here 0.73 million, and what their payers hold: 530
        # MiB beside 300 of libraries. One of 6A holds a country, 330 MiB.
        ("demo", 896, 4),
        pytest.param("small", 1600, 2, marks=pytest.mark.slow),
    ],
)
def test_a_world_under_a_limit(tmp_path: Path, world: str, limit: int, workers: int) -> None:
    memory, run_dir, seen = build(world, tmp_path, limit, workers)
    assert content_digests(run_dir) == {dataset: digest for name, dataset, digest in GOLDEN if name == world}
    assert memory["limit"] == limit * MIB
    assert memory["peak"] <= limit * MIB and seen <= limit * MIB
    # Between two looks from outside a mark may have been reset; after it told its peak, the process still has
    # to end.
    assert 0.7 * memory["peak"] < seen < memory["peak"] + 4 * MIB

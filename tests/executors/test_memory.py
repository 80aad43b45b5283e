"""Freed memory is reused: counted in page faults, which do not depend on how busy the machine is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import resource, sys, threading
from sim.executors.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import numpy as np
import pyarrow as pa

def faults_of_a_round():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [np.ones(300_000, dtype=np.uint64) for _ in range(24)]
    held.append(pa.array(held[0]).cast(pa.float64()))
    del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def rounds():
    counts.extend(faults_of_a_round() for _ in range(4))

counts = []
rounds()
worker = threading.Thread(target=rounds)
worker.start()
worker.join()
print(pa.default_memory_pool().backend_name, *counts)
"""


def rounds(mode: str, **environment: str) -> tuple[str, list[int]]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "ARROW_", "GLIBC_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    pool, *counts = done.stdout.split()
    return pool, [int(count) for count in counts]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_freed_memory_is_reused_by_every_thread() -> None:
    pool, faults = rounds("kept")
    assert pool == "system"
    assert max(faults[1:]) <= faults[0] // 10


def test_what_the_user_set_stands() -> None:
    own = {
        "MALLOC_MMAP_THRESHOLD_": "1000000",
        "MALLOC_TOP_PAD_": "0",
        "ARROW_DEFAULT_MEMORY_POOL": "mimalloc",
    }
    pool, faults = rounds("kept", **own)
    assert pool == "mimalloc"
    assert 2 * min(faults) > faults[0]


LIMITED = """
import resource, sys
from sim.executors.allocator import grow_by_need, keep_freed_memory
assert keep_freed_memory()
import numpy as np
if sys.argv[1] == "by need":
    assert grow_by_need()

def taken():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))

held = [np.ones(1 << 17, dtype=np.uint64) for _ in range(130)]  # what the heap held in advance is used up
limit = taken() + (40 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    while True:
        held.append(np.ones(1 << 17, dtype=np.uint64))
except MemoryError:
    print(limit - taken())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_under_a_limit_the_last_of_it_can_be_had() -> None:
    """Steps of 64 MiB do not fit into what is left; blocks of one do, up to the limit."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "ARROW_", "GLIBC_"))
    }

    def left(mode: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, mode],
            cwd=ROOT,
            env=clean,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert left("by need") < 8 << 20 < left("in steps")

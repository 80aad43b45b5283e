"""The mini world of tests/shell with a compute that does what a file tells it:
workers import this module by its name.

`CLOSEDWORLD_TEST_ORDERS` names a directory. A file `<partition>.<verb>` in it is an order; `once` orders are
used up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "shell"))

import miniworld

from sim.ground.errors import StorageError
from sim.state.context import PartitionContext
from sim.state.declaration import Partition
from sim.state.frames import Frame
from sim.state.refuse import refuse


def orders() -> Path:
    return Path(os.environ["CLOSEDWORLD_TEST_ORDERS"])


def _ordered(part: Partition, verb: str) -> bool:
    path = orders() / f"{part.name}.{verb}"
    if not verb.endswith("once"):
        return path.exists()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def compute_items(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
    (orders() / f"began.{part.name}.{os.getpid()}.{time.monotonic_ns()}").touch()
    if _ordered(part, "die") or _ordered(part, "die-once"):
        os.kill(os.getpid(), signal.SIGKILL)
    if _ordered(part, "refuse"):
        refuse(ctx, "TEST_REFUSAL", "refused by order", at="items_1A.part_rows", found="an order")
    if _ordered(part, "disk-once") or _ordered(part, "disk"):
        raise StorageError("SHELL.IO_WRITE_FAILED", "the disk is out of order")
    if _ordered(part, "starve"):
        raise MemoryError("Unable to allocate 8.00 TiB")
    if _ordered(part, "bug"):
        raise ZeroDivisionError("a bug by order")
    if _ordered(part, "kill-scheduler-once"):
        os.kill(int((orders() / "scheduler.pid").read_text()), signal.SIGKILL)
        time.sleep(3)
    if _ordered(part, "stop-once"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if _ordered(part, "hold-once"):
        while not (orders() / "release").exists():
            time.sleep(0.005)
    return miniworld.compute_items(ctx, part)


SEGMENTS = miniworld.segments(compute_items=compute_items)
MODEL = miniworld.model(SEGMENTS, "hostile_world")

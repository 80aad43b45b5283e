"""A run of a world that keeps wall time, processor time and peak memory of each state apart;
prints JSON. Started by `process.py`.

The kernel's high-water mark of resident memory is reset when a state ends (`/proc/self/clear_refs`), so a
state's figure is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
from pathlib import Path
from typing import Any

from sim.backends import get_backend
from sim.cli.common import prepared_request
from sim.executors import resident
from sim.shell.events.events import Event, StateBegan, StateEnded
from sim.shell.loop.run import Options, run_world


class Meter:
    """A reporter that measures instead of telling."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        self._partitions = 0
        self._anon = 0
        self._over = threading.Event()
        self._cpu = _cpu()
        resident.mark()
        threading.Thread(target=self._sample, daemon=True).start()

    def tell(self, event: Event) -> None:
        """Note how many partitions a state has; take its figures when it ends, and start anew."""
        if isinstance(event, StateBegan):
            self._partitions = event.partitions
        if not isinstance(event, StateEnded):
            return
        cpu = _cpu()
        self.states[event.state] = {
            "rows": event.rows,
            "seconds": event.seconds,
            "cpu_seconds": cpu - self._cpu,
            "partitions": self._partitions,
            "peak_rss": resident.peak(),
            "peak_anon": max(self._anon, _anonymous()),
        }
        self._cpu, self._anon = cpu, 0
        resident.mark()

    def close(self) -> None:
        """Stop sampling."""
        self._over.set()

    def _sample(self) -> None:
        while not self._over.wait(0.01):
            self._anon = max(self._anon, _anonymous())


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _anonymous() -> int:
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--until")
    given = parser.parse_args()
    meter = Meter()
    prepared = prepared_request(given.preset, "42", None, given.set, None, None, None)
    result = run_world(
        prepared, get_backend("cpu"), Options(out=given.out, workers=given.workers, until=given.until), meter
    )
    datasets = [item for bundle in result.bundles.values() for item in bundle.datasets]
    rows: dict[str, int] = {}
    for item in datasets:
        rows[item.dataset] = rows.get(item.dataset, 0) + item.rows
    answer = {
        "states": meter.states,
        "rows": rows,
        "bytes": sum(item.bytes for item in datasets),
        "run_dir": str(result.run_dir),
    }
    meter.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

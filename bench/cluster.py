"""What dask costs against threads on one machine: the same preset with either executor, alternately.

    .venv/bin/python bench/cluster.py --preset small --runs 3

Wall and CPU seconds include starting the workers (each loads the model and prepares the request once); `working_s` is the sum
of the states' own times but for segment 1A, in which the cluster starts and every worker meets its first task.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from run import RESULTS, ROOT, environment


def build(preset: str, until: str, executor: str, workers: int) -> dict[str, Any]:
    """One build in a fresh process and directory."""
    out = Path(tempfile.mkdtemp(prefix="closedworld-bench-"))
    command = [sys.executable, "-m", "sim", "run", "--preset", preset, "--until", until, "--executor", executor]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    try:
        command += ["--workers", str(workers), "--out", str(out), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - started
    finally:
        shutil.rmtree(out, ignore_errors=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    states = {row["state"]: row["wall_ms"] / 1000 for row in json.loads(done.stdout)["states"]}
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "working_s": round(sum(seconds for state, seconds in states.items() if not state.startswith("1A.")), 2),
        "states": states,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--until", default="5B")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {"local": [], "dask": []}
    for _ in range(arguments.runs):
        for executor, done in runs.items():
            done.append(build(arguments.preset, arguments.until, executor, arguments.workers))
    medians = {
        executor: {figure: statistics.median(run[figure] for run in done) for figure in ("wall_s", "cpu_s", "working_s")}
        for executor, done in runs.items()
    }
    report = {
        "case": "dask",
        "environment": environment(),
        "load_before": os.getloadavg(),
        **vars(arguments),
        "median": medians,
        "overhead": {figure: round(medians["dask"][figure] / medians["local"][figure], 3) for figure in medians["local"]},
        "all": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"dask-{arguments.preset}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({"median": medians, "overhead": report["overhead"], "written": str(path)}, indent=1))


if __name__ == "__main__":
    main()

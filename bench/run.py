"""Time the presets and the kernels; results are JSON with their environment under bench/results/.

    .venv/bin/python bench/run.py                     # kernels and the demo preset
    .venv/bin/python bench/run.py --preset small --runs 3
    .venv/bin/python bench/run.py --kernels-only

Machines are noisy: figures are medians over runs, and every run is a fresh process in a fresh directory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


def environment() -> dict[str, Any]:
    import numba
    import numpy
    import pyarrow

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "commit": commit,
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        "pyarrow": pyarrow.__version__,
    }


def run_preset(preset: str, workers: int) -> dict[str, Any]:
    """One build of a preset in a fresh process and directory: wall, peak RSS, and what each state did."""
    out = Path(tempfile.mkdtemp(prefix="closedworld-bench-"))
    command = [sys.executable, "-m", "sim", "run", "--preset", preset, "--workers", str(workers), "--out", str(out), "--json"]
    try:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        if status:
            raise SystemExit(f"{' '.join(command)} failed: {text[-2000:]}")
        result = json.loads(text)
        return {
            "wall_s": round(wall, 2),
            "peak_rss_mib": round(usage.ru_maxrss / 1024),
            "arrivals": result["arrivals"],
            "bytes": sum(path.stat().st_size for path in out.rglob("*.parquet")),
            "states": {
                row["state"]: {"rows": row["rows"], "s": row["wall_ms"] / 1000, "rss_mib": row["peak_rss_bytes"] >> 20}
                for row in result["states"]
            },
        }
    finally:
        shutil.rmtree(out, ignore_errors=True)


def presets(names: list[str], runs: int, workers: int) -> dict[str, Any]:
    report = {}
    for name in names:
        results = [run_preset(name, workers) for _ in range(runs)]
        walls = [result["wall_s"] for result in results]
        middle = results[walls.index(statistics.median_low(walls))]
        report[name] = {"runs": runs, "workers": workers, "wall_s": walls, "median": middle}
        print(f"\n{name}: wall {sorted(walls)} s, {middle['arrivals']:,} arrivals, ", end="")
        print(f"{middle['bytes'] / 1e6:,.0f} MB, peak RSS {middle['peak_rss_mib']} MiB")
        print(f"{'state':<12} {'rows':>14} {'s':>8} {'M rows/s':>9} {'RSS MiB':>8}")
        for state, row in middle["states"].items():
            rate = row["rows"] / row["s"] / 1e6 if row["s"] else 0.0
            print(f"{state:<12} {row['rows']:>14,} {row['s']:>8.2f} {rate:>9.2f} {row['rss_mib']:>8}")
    return report


def kernels() -> dict[str, Any]:
    """Nanoseconds a row of the kernels that carry the bulk, into warm buffers, best-of-seven medians of chunks of 2**16 rows."""
    import numpy as np

    from sim.backends import get_backend

    k = get_backend("cpu").kernels
    n = 1 << 16
    c0, c1 = np.arange(n, dtype=np.uint64), np.arange(n, dtype=np.uint64) * np.uint64(7919)
    x0, x1 = k.philox_block(key=1, c0=c0, c1=c1)
    u = k.open_uniform(x=x0)
    ones = np.ones(n)
    cases: dict[str, Any] = {
        "philox_block": (k.philox_block, {"key": 1, "c0": c0, "c1": c1}, 2),
        "open_uniform": (k.open_uniform, {"x": x0}, 1),
        "bounded_integer": (k.bounded_integer, {"x": x0, "bound": c0 + np.uint64(1)}, 1),
        "exp_map": (k.exp_map, {"x": (u - 0.5) * 20}, 1),
        "log_map": (k.log_map, {"x": u}, 1),
        "normal_quantile_map": (k.normal_quantile_map, {"u": u}, 1),
        "lognormal_factor": (k.lognormal_factor, {"x": x1, "mu": ones, "sigma": ones}, 1),
        "draw_counts(mu=3)": (
            k.draw_counts,
            {"key": 1, "c0": c0, "c1": c1, "mu": 3 * ones, "kappa": 20 * ones, "part_mean": 64.0, "zero_truncated": 0},
            1,
        ),
        "entity_hash": (k.entity_hash, {"a": c0, "b": c1, "key": 1}, 1),
    }
    report = {}
    print(f"{'kernel':<22} {'ns/row':>8} {'M words/s':>10}")
    for name, (kernel, args, words) in cases.items():
        outputs = kernel(**args)
        out = dict(zip([arg.name for arg in kernel.contract.outputs], outputs if isinstance(outputs, tuple) else (outputs,), strict=True))
        times = []
        for _ in range(60):
            started = time.perf_counter()
            kernel(**args, out=out)
            times.append(time.perf_counter() - started)
        ns = statistics.median(times) / n * 1e9
        report[name] = {"ns_per_row": round(ns, 2), "million_words_per_s": round(words * 1000 / ns, 1)}
        print(f"{name:<22} {ns:>8.2f} {words * 1000 / ns:>10.1f}")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", action="append")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kernels-only", action="store_true")
    parser.add_argument("--save", help="name of a file under bench/results/ to write")
    options = parser.parse_args()
    report: dict[str, Any] = {"environment": environment(), "kernels": kernels()}
    if not options.kernels_only:
        report["presets"] = presets(options.preset or ["demo"], options.runs, options.workers)
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{options.save}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Every state of the presets: rows/s, processor seconds,
peak memory; each run a fresh process and directory.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.case import ROOT, Options, Row
from bench.process import Finished, metered


def run(options: Options) -> list[Row]:
    """A row a state and preset, and one for the whole; with `against`,
    the other checkout's rows beside them, run alternately.
    """
    roots = {"": ROOT} | ({f"{options.against.name} ": options.against} if options.against else {})
    rows = []
    for preset in options.presets:
        runs: dict[str, list[tuple[Finished, dict[str, Any]]]] = {label: [] for label in roots}
        for number in range(options.runs):
            for label, root in roots.items():
                options.say(f"states: {label}{preset} {number + 1}/{options.runs}")
                runs[label].append(_fresh(options, preset, root))
        for label, done in runs.items():
            rows += _rows(f"{label}{preset}", done)
    return rows


def _fresh(options: Options, preset: str, root: Path) -> tuple[Finished, dict[str, Any]]:
    out = options.scratch / "world"
    try:
        return metered(options, preset, out, root=root)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _rows(label: str, runs: list[tuple[Finished, dict[str, Any]]]) -> list[Row]:
    rows = []
    first = runs[0][1]
    for state, about in first["states"].items():
        seen = [answer["states"][state] for _, answer in runs]
        seconds = [max(one["seconds"], 1e-6) for one in seen]
        figures = {
            "wall": ("s", seconds),
            "rows": ("M/s", [about["rows"] / value / 1e6 for value in seconds]),
            "cpu": ("s", [one["cpu_seconds"] for one in seen]),
            "peak": ("MiB", [one["peak_rss"] / 2**20 for one in seen]),
            "peak anonymous": ("MiB", [one["peak_anon"] / 2**20 for one in seen]),
        }
        rows.append(
            Row(f"{label} {state}", figures, {"rows": about["rows"], "partitions": about["partitions"]})
        )
    whole = {
        "wall": ("s", [done.wall for done, _ in runs]),
        "cpu": ("s", [done.cpu for done, _ in runs]),
        "peak": (
            "MiB",
            [max(state["peak_rss"] for state in answer["states"].values()) / 2**20 for _, answer in runs],
        ),
    }
    rows.append(
        Row(
            f"{label} whole",
            whole,
            {"arrivals": first["rows"].get("arrival_events_5B", 0), "bytes": first["bytes"]},
        )
    )
    return rows

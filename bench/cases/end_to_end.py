"""Whole runs of presets, as a user starts them: fresh process, fresh directory, warm install."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.case import ROOT, Options, Row
from bench.process import Finished, build, published_bytes


def run(options: Options) -> list[Row]:
    """A row a preset; with `against`, also the other checkout's, run alternately."""
    roots = {"": ROOT} | ({f"{options.against.name} ": options.against} if options.against else {})
    rows = []
    for preset in options.presets:
        runs: dict[str, list[tuple[Finished, dict[str, Any], int]]] = {label: [] for label in roots}
        for number in range(options.runs):
            for label, root in roots.items():
                options.say(f"end-to-end: {label}{preset} {number + 1}/{options.runs}")
                runs[label].append(one_run(options, preset, root))
        rows += [row_of(f"{label}{preset}", done) for label, done in runs.items()]
    return rows


def one_run(
    options: Options, preset: str, root: Path = ROOT, extra: tuple[str, ...] = ()
) -> tuple[Finished, dict[str, Any], int]:
    """One run, its answer, and the bytes it published; what it wrote is removed."""
    out = options.scratch / "world"
    try:
        done, answer = build(options, preset, out, extra, root)
        return done, answer, published_bytes(out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def row_of(name: str, runs: list[tuple[Finished, dict[str, Any], int]]) -> Row:
    """What runs of the same world cost."""
    arrivals, size = runs[0][1]["arrivals"], runs[0][2]
    states = [{row["state"]: row["wall_ms"] / 1000 for row in answer["states"]} for _, answer, _ in runs]
    figures = {
        "wall": ("s", [done.wall for done, _, _ in runs]),
        "cpu": ("s", [done.cpu for done, _, _ in runs]),
        "peak": ("MiB", [done.peak_rss / 2**20 for done, _, _ in runs]),
        "peak anonymous": ("MiB", [done.peak_anon / 2**20 for done, _, _ in runs]),
        "1A..5B": (
            "s",
            [sum(value for state, value in one.items() if not state.startswith("6")) for one in states],
        ),
    }
    if any(state.startswith("6") for state in states[0]):
        figures["6A"] = (
            "s",
            [sum(value for state, value in one.items() if state.startswith("6")) for one in states],
        )
    if arrivals:
        figures["arrivals"] = ("M/s", [arrivals / done.wall / 1e6 for done, _, _ in runs])
        figures["5B.S4"] = ("M/s", [arrivals / max(one["5B.S4"], 1e-3) / 1e6 for one in states])
    return Row(
        name,
        figures,
        {"arrivals": arrivals, "bytes": size, "bytes an arrival": round(size / max(arrivals, 1), 2)},
    )

"""Peak memory against workers and size: it should follow workers x the largest partition,
whatever the preset.

Rows name the state with the highest peak. Resident memory includes pages of files that are mapped; anonymous
memory does not, and is what a limit has to hold.
"""

from __future__ import annotations

import dataclasses
import shutil

from bench.case import Options, Row
from bench.process import build, metered

MIB = 2**20
LIMIT = "2GiB"


def run(options: Options) -> list[Row]:
    """A row a preset and number of workers: 1, 2, 4, ... up to `workers`, and twice that;
    the last once more under a limit.
    """
    counts = [1]
    while counts[-1] < 2 * options.workers:
        counts.append(2 * counts[-1])
    many = dataclasses.replace(options, workers=counts[-1])
    rows = []
    for preset in options.presets:
        rows += [_row(dataclasses.replace(options, workers=workers), preset) for workers in counts]
        rows.append(_limited(many, preset))
    return rows


def _row(options: Options, preset: str) -> Row:
    peaks, anonymous, highest = [], [], set()
    for number in range(options.runs):
        options.say(f"memory: {preset}, {options.workers} workers, {number + 1}/{options.runs}")
        out = options.scratch / "world"
        try:
            _, answer = metered(options, preset, out)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        states = answer["states"]
        peaks.append(max(state["peak_rss"] for state in states.values()) / MIB)
        anonymous.append(max(state["peak_anon"] for state in states.values()) / MIB)
        highest.add(max(states, key=lambda state: int(states[state]["peak_anon"])))
    figures = {"peak": ("MiB", peaks), "peak anonymous": ("MiB", anonymous)}
    arrivals = answer["rows"].get("arrival_events_5B", 0)
    return Row(
        f"{preset}, workers {options.workers}",
        figures,
        {"arrivals": arrivals, "highest": ", ".join(sorted(highest))},
    )


def _limited(options: Options, preset: str) -> Row:
    peaks, walls, arrivals = [], [], 0
    for number in range(options.runs):
        options.say(
            f"memory: {preset}, {options.workers} workers, limit {LIMIT}, {number + 1}/{options.runs}"
        )
        out = options.scratch / "world"
        try:
            done, answer = build(options, preset, out, ("--memory-limit", LIMIT))
        finally:
            shutil.rmtree(out, ignore_errors=True)
        peaks.append(answer["memory"]["peak"] / MIB)
        walls.append(done.wall)
        arrivals = answer["arrivals"]
    return Row(
        f"{preset}, workers {options.workers}, limit {LIMIT}",
        {"peak": ("MiB", peaks), "wall": ("s", walls)},
        {"arrivals": arrivals},
    )
